import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { createCodec, type EncodingProfile, type PageCodec } from '@dwcp/hde'
import { answerParent } from '../../harness/process.js'

/** One end of the WAN case of the suite `choice`, in a process of its own: it holds the memory that is moved, or takes it in. */
export interface Receive {
  readonly host: string
  /** What must have arrived at the end. */
  readonly after: string
}

export interface Send {
  readonly host: string
  readonly port: number
  /** The memory at its first round, and at its last. */
  readonly before: string
  readonly after: string
  readonly profile: EncodingProfile
  /** What the link is known to give; the profile decides where it is absent. */
  readonly bytesPerSecond?: number
}

export interface Sent {
  /** From the first page until the other side has said that all is there. */
  readonly totalMs: number
  readonly wireBytes: number
  readonly cpuMs: number
  /** Batches by method, where they were chosen. */
  readonly methods: Readonly<Record<string, number>>
}

const PAGE_BYTES = 4096
const WORKLOAD = 'guest'
/** Pages of one call; an encoder makes frames of what changes 8 MiB. */
const LIST_PAGES = 4096
/** Encoded and not yet taken by the kernel: encoding goes on while so much is under way. */
const AHEAD_BYTES = 8 * 2 ** 20
const LENGTH_BYTES = 4
const MOST_FRAME_BYTES = 64 * 2 ** 20
const DONE = new Uint8Array([1])

answerParent({
  async receive({ host, after }: Receive): Promise<{ readonly port: number }> {
    const expected = await readFile(after)
    const server = createServer((socket) => void takeIn(socket, expected).catch((cause: unknown) => socket.destroy(asError(cause))))
    server.listen(0, host)
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('not listening on TCP')
    return { port: address.port }
  },
  async cpuMs(): Promise<number> {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  send,
})

async function send({ host, port, before, after, profile, bytesPerSecond }: Send): Promise<Sent> {
  const [first, last] = [await readFile(before), await readFile(after)]
  const regions = [{ pageBytes: PAGE_BYTES, lengthBytes: last.length, maxLengthBytes: last.length }]
  const codec: PageCodec = createCodec({
    profile: () => profile,
    ...(bytesPerSecond === undefined ? {} : { shareBytesPerSecond: () => bytesPerSecond }),
  })
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  const ended = new AbortController()
  socket.once('close', () => ended.abort(new Error('the other side hung up')))
  const answer = once(socket, 'data', { signal: ended.signal })
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  const encoder = codec.encoder({ workload: WORKLOAD, regions })
  const write = async (frames: readonly Uint8Array[]): Promise<void> => {
    for (const frame of frames) {
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt32LE(frame.length)
      socket.write(length)
      socket.write(frame)
    }
    if (socket.writableLength > AHEAD_BYTES) await once(socket, 'drain')
  }
  const rounds = [everyPage(first.length), changedPages(first, last)] as const
  for (const [round, pages] of rounds.entries()) {
    const memory = round === 0 ? first : last
    for (let at = 0; at < pages.length; at += LIST_PAGES) {
      const some = pages.slice(at, at + LIST_PAGES)
      await write(await encoder.encode({ kind: 'pages', region: 0, pages: some, bytes: gathered(memory, some) }))
    }
  }
  await write([new Uint8Array()])
  await answer
  const totalMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpu)
  const { wireBytes, choice } = encoder.stats()
  encoder.close()
  socket.destroy()
  const methods = Object.fromEntries(Object.entries(choice?.methods ?? {}).map(([name, { batches }]) => [name, batches]))
  return { totalMs, wireBytes, cpuMs: (user + system) / 1000, methods }
}

async function takeIn(socket: Socket, expected: Uint8Array): Promise<void> {
  const memory = new Uint8Array(expected.length)
  const regions = [{ pageBytes: PAGE_BYTES, lengthBytes: memory.length, maxLengthBytes: memory.length }]
  const decoder = createCodec().decoder({ workload: WORKLOAD, regions })
  for await (const frame of framesOf(socket)) {
    if (frame.length === 0) break
    for (const chunk of await decoder.decode(frame)) {
      if (chunk.kind !== 'pages') continue
      for (const [index, page] of chunk.pages.entries()) {
        memory.set(chunk.bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), page * PAGE_BYTES)
      }
    }
  }
  decoder.close()
  if (Buffer.compare(memory, expected) !== 0) throw new Error('the memory that arrived is not the one that was sent')
  socket.write(DONE)
}

/** Each after its length; an empty one is the last. */
async function* framesOf(socket: Socket): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = []
  let held = 0
  // The answer goes back over it.
  for await (const part of socket.iterator({ destroyOnReturn: false })) {
    parts.push(part)
    held += part.length
    let wanted = wantedBytes(parts, held)
    if (held < wanted) continue
    let bytes = Buffer.concat(parts)
    // Each turn takes a frame off what is held.
    while (bytes.length >= wanted) {
      yield bytes.subarray(LENGTH_BYTES, wanted)
      bytes = bytes.subarray(wanted)
      wanted = wantedBytes([bytes], bytes.length)
    }
    parts = [bytes]
    held = bytes.length
  }
}

function wantedBytes(parts: readonly Uint8Array[], held: number): number {
  if (held < LENGTH_BYTES) return LENGTH_BYTES
  const [first = new Uint8Array()] = parts
  const head = first.length >= LENGTH_BYTES ? Buffer.from(first.buffer, first.byteOffset, LENGTH_BYTES) : Buffer.concat(parts)
  const lengthBytes = head.readUInt32LE()
  if (lengthBytes > MOST_FRAME_BYTES) throw new RangeError(`a frame of ${lengthBytes} bytes`)
  return LENGTH_BYTES + lengthBytes
}

function everyPage(bytes: number): Uint32Array {
  return Uint32Array.from({ length: bytes / PAGE_BYTES }, (_, page) => page)
}

function changedPages(before: Buffer, after: Buffer): Uint32Array {
  return everyPage(after.length).filter((page) => {
    const from = page * PAGE_BYTES
    return after.compare(before, from, from + PAGE_BYTES, from, from + PAGE_BYTES) !== 0
  })
}

function gathered(memory: Uint8Array, pages: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(pages.length * PAGE_BYTES)
  for (const [index, page] of pages.entries()) bytes.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), index * PAGE_BYTES)
  return bytes
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
