import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import type { Address, ExportControl, Grant, StateChunk, Workload, WorkloadDriver, WorkloadManifest } from '@dwcp/interface'
import type { MoveReport } from './node-messages.js'

const LENGTH_BYTES = 4
const ACTIVE = { epoch: 2, active: true } as const

/**
 * The plainest way to move a workload: stop it, send every page over one TCP connection, start it there. No encoding, no
 * encryption, no rounds. The pages come from the same driver as ours, so both move the same thing; the far side compares the
 * state's digest before it starts, and nobody keeps a journal: a crash at the wrong moment loses the workload or runs it twice.
 */
export async function stopAndCopy(workload: Workload, to: Address): Promise<MoveReport> {
  const startMs = performance.now()
  const socket = connect({ ...to, noDelay: true })
  await once(socket, 'connect')
  const sent = { raw: 0, wire: 0 }
  await write(socket, await workload.describe(), sent)
  const stopped = new AbortController()
  stopped.abort()
  const control: ExportControl = {
    steering: { bytesPerSecond: Number.POSITIVE_INFINITY, downtimeMs: Number.POSITIVE_INFINITY, throttleRatio: 0 },
    stop: stopped.signal,
    signal: new AbortController().signal,
  }
  const started = Promise.race([
    once(socket, 'data'),
    once(socket, 'close').then(() => {
      throw new Error('the target hung up')
    }),
  ])
  // Awaited when everything is sent; a failure before that is reported there too.
  started.catch(() => undefined)
  for await (const chunk of workload.export(control)) {
    if (chunk.kind === 'pages' || chunk.kind === 'opaque') sent.raw += chunk.bytes.length
    await write(socket, chunk, sent)
  }
  await started
  socket.destroy()
  await workload.release({ workload: workload.id, owner: 'the other node', ...ACTIVE })
  return { totalMs: performance.now() - startMs, rawBytes: sent.raw, wireBytes: sent.wire, rounds: 1 }
}

/** The other end: takes workloads in and starts them. */
export async function receiveCopies(
  host: string,
  self: string,
  driver: WorkloadDriver,
  onArrived: (workload: Workload) => void,
): Promise<{ readonly port: number }> {
  const server = createServer({ noDelay: true }, (socket) => {
    arrive(socket, self, driver, onArrived).catch((error: unknown) => {
      console.error(error)
      socket.destroy()
    })
  })
  server.listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on TCP')
  return { port: address.port }
}

async function arrive(socket: Socket, self: string, driver: WorkloadDriver, onArrived: (workload: Workload) => void): Promise<void> {
  const messages = read(socket)
  const first = await messages.next()
  if (first.done) throw new Error('hung up before the manifest')
  const manifest: WorkloadManifest = deserialize(first.value)
  const target = driver.target()
  await target.prepare(manifest)
  let expected: string | undefined
  const digest = await target.import(
    chunksOf(messages, (final) => {
      expected = final
    }),
  )
  if (digest !== expected) throw new Error(`the state arrived as ${digest}, sent was ${expected}`)
  const grant: Grant = { workload: manifest.workload, owner: self, ...ACTIVE }
  onArrived(await target.start(grant))
  socket.write('k')
}

/** Up to the last one, and no further: ending the iteration over `messages` early would close the socket that still has to answer. */
async function* chunksOf(messages: AsyncIterator<Buffer>, onFinal: (digest: string) => void): AsyncGenerator<StateChunk> {
  for (let message = await messages.next(); !message.done; message = await messages.next()) {
    const chunk: StateChunk = deserialize(message.value)
    yield chunk
    if (chunk.kind !== 'final') continue
    onFinal(chunk.digest)
    return
  }
  throw new Error('hung up in the middle of the state')
}

async function write(socket: Socket, message: WorkloadManifest | StateChunk, sent: { wire: number }): Promise<void> {
  const bytes = serialize(message)
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(bytes.length)
  sent.wire += LENGTH_BYTES + bytes.length
  socket.write(length)
  if (!socket.write(bytes)) await once(socket, 'drain')
}

/** Messages of at most some megabytes, from a peer that is ours. */
async function* read(socket: Socket): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let held = 0
  let wanted = LENGTH_BYTES
  let inMessage = false
  for await (const part of socket) {
    parts.push(part)
    held += part.length
    while (held >= wanted) {
      const all = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, held)
      const message = all.subarray(0, wanted)
      parts = held === wanted ? [] : [all.subarray(wanted)]
      held -= wanted
      wanted = inMessage ? LENGTH_BYTES : message.readUInt32BE()
      if (inMessage) yield message
      inMessage = !inMessage
    }
  }
}
