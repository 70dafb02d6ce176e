import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadHash } from './hash.ts'
import {
  type FrameStream,
  type FrameStreamOptions,
  openFrameStream,
  type ReceivedStreamFrame,
  releaseBody,
  streamBackend,
  streamSecrets,
} from './stream.ts'

const BODY_BYTES_MAX = new Map([
  [4, 400_000],
  [9, 0],
])
const hash = await loadHash()
type Kind = 'native' | 'js'
const KINDS: readonly Kind[] = streamBackend(true).kind === 'native' ? ['native', 'js'] : ['js']
const PAIRS = KINDS.flatMap((caller) => KINDS.flatMap((listener) => [false, true].map((sealed) => ({ caller, listener, sealed }))))
const ENDS = KINDS.flatMap((kind) => [false, true].map((sealed) => ({ kind, sealed })))

async function sockets(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const caller = connect(port, '127.0.0.1')
  const [[listener]] = (await Promise.all([once(server, 'connection'), once(caller, 'connect')])) as [[Socket], unknown]
  server.close()
  return [caller, listener]
}

function secretsOf(isCaller: boolean, shared = Buffer.alloc(32, 3)): ReturnType<typeof streamSecrets> {
  return streamSecrets({ shared, serial: 1, isCaller })
}

const optionsOf = (backend: Kind, sealed: boolean, isCaller: boolean): FrameStreamOptions =>
  sealed ? { bodyBytesMax: BODY_BYTES_MAX, backend, secrets: secretsOf(isCaller) } : { bodyBytesMax: BODY_BYTES_MAX, backend }

interface PairOptions {
  readonly caller: Kind
  readonly listener: Kind
  readonly sealed: boolean
  readonly more?: Partial<FrameStreamOptions>
}

async function pairOf({ caller, listener, sealed, more = {} }: PairOptions): Promise<[FrameStream, FrameStream]> {
  const [from, to] = await sockets()
  return Promise.all([
    openFrameStream(from, { ...optionsOf(caller, sealed, true), ...more }),
    openFrameStream(to, { ...optionsOf(listener, sealed, false), ...more }),
  ])
}

const frameOf = (body: Uint8Array, sequence = 0) => ({ type: body.byteLength === 0 ? 9 : 4, id: 0xfffffffe, sequence, ack: 11, body })

const turn = (): Promise<void> => new Promise((turned) => setImmediate(turned))

/** All that comes, and how it ends. */
async function drain(stream: FrameStream): Promise<{ readonly frames: ReceivedStreamFrame[]; readonly code: unknown }> {
  const frames: ReceivedStreamFrame[] = []
  try {
    for await (const batch of stream.frames) frames.push(...batch)
    return { frames, code: undefined }
  } catch (error) {
    return { frames, code: Object(error).code }
  }
}

async function writeAll(stream: FrameStream, bodies: readonly Uint8Array[]): Promise<void> {
  for (const [sequence, body] of bodies.entries()) if (!stream.write(frameOf(body, sequence))) await stream.drained()
}

/** What a stream of `kind` puts on the wire. */
async function wireOf(kind: Kind, sealed: boolean, bodies: readonly Uint8Array[], more: Partial<FrameStreamOptions> = {}): Promise<Buffer> {
  const [from, to] = await sockets()
  const stream = await openFrameStream(from, { ...optionsOf(kind, sealed, true), ...more })
  await writeAll(stream, bodies)
  const closed = stream.close()
  const parts: Buffer[] = []
  for await (const part of to) parts.push(part)
  void drain(stream)
  await closed
  return Buffer.concat(parts)
}

/** What a stream of `kind` makes of bytes from the wire. */
async function received(kind: Kind, sealed: boolean, wire: Uint8Array): ReturnType<typeof drain> {
  const [from, to] = await sockets()
  const stream = await openFrameStream(to, optionsOf(kind, sealed, false))
  from.on('error', () => undefined).end(wire)
  return drain(stream)
}

describe.each(PAIRS)('from $caller to $listener, sealed: $sealed', (pair) => {
  test('frames of any length arrive whole and in order, in both directions at once', async () => {
    const [one, other] = await pairOf(pair)
    const bodies = [0, 1, 19, 65_535, 65_536, 65_537, 0, 400_000, 3, 262_144, 262_144].map((length) => randomBytes(length))
    const send = async (stream: FrameStream): Promise<void> => {
      await writeAll(stream, bodies)
      await stream.close()
    }
    const [there, back] = await Promise.all([drain(other), drain(one), send(one), send(other)])
    for (const { frames, code } of [there, back]) {
      expect(code).toBeUndefined()
      const heads = frames.map(({ type, id, sequence, ack, intact }) => ({ type, id, sequence, ack, intact }))
      expect(heads).toEqual(
        bodies.map(({ byteLength }, sequence) => ({ type: byteLength === 0 ? 9 : 4, id: 0xfffffffe, sequence, ack: 11, intact: true })),
      )
      expect(frames.every(({ body }, at) => Buffer.compare(body, bodies[at] ?? body) === 0)).toBe(true)
      expect(frames.every(({ body, digest }) => Buffer.compare(hash.xxh3_128(body), digest) === 0)).toBe(true)
    }
  })

  test('both ends take the next key at the same frame', async () => {
    const [one, other] = await pairOf({ ...pair, more: { rekeyBytes: 5_000 } })
    const bodies = Array.from({ length: 60 }, (_, at) => randomBytes((at * 977) % 6_000))
    const [{ frames, code }] = await Promise.all([drain(other), drain(one), writeAll(one, bodies).then(() => one.close())])
    expect(code).toBeUndefined()
    expect(Buffer.concat(frames.map(({ body }) => body)).equals(Buffer.concat(bodies))).toBe(true)
  })

  test('who does not read slows the sender down, and gets everything once it reads', async () => {
    const [one, other] = await pairOf({ ...pair, more: { sendQueueBytes: 500_000, receiveQueueBytes: 500_000 } })
    const body = randomBytes(250_000)
    // More than the kernel holds for both ends of a connection on loopback.
    const bodies = Array.from({ length: 160 }, () => body)
    const reading = drain(one)
    const writing = writeAll(one, bodies)
    // The queue, a frame that is on the way into it, and what Node or the thread reads at once.
    const boundBytes = 500_000 + 400_000 + 2 * 65_536
    while (other.receivedBytes < 500_000) await turn()
    for (let turns = 0; turns < 300; turns += 1) await turn()
    expect(other.receivedBytes).toBeLessThan(boundBytes)
    expect(one.writable).toBe(false)
    const [{ frames, code }] = await Promise.all([drain(other), writing.then(() => one.close()), reading])
    expect(code).toBeUndefined()
    expect(frames.length).toBe(bodies.length)
    expect(frames.every((frame) => frame.intact && Buffer.compare(frame.body, body) === 0)).toBe(true)
  })

  test('a peer that is destroyed ends the stream with an error, and nothing half is handed over', async () => {
    const [one, other] = await pairOf(pair)
    const body = randomBytes(400_000)
    const reading = drain(other)
    for (let at = 0; at < 40; at += 1) one.write(frameOf(body))
    await turn()
    one.destroy()
    const { frames, code } = await reading
    expect([undefined, 'ERR_NATIVE_PEER_LOST']).toContain(code)
    expect(frames.length).toBeLessThan(40)
    expect(frames.every((frame) => frame.intact && Buffer.compare(frame.body, body) === 0)).toBe(true)
    expect(one.write(frameOf(body))).toBe(false)
    expect(other.writable).toBe(false)
    await Promise.all([one.drained(), one.close(), other.drained(), other.close()])
    expect(one.descriptor ?? other.descriptor).toBeUndefined()
  })
})

describe.each(ENDS)('by $kind, sealed: $sealed', ({ kind, sealed }) => {
  const HELLO = Buffer.from('hello')

  test('the bytes are those written down', async () => {
    const [from, to] = await sockets()
    const stream = await openFrameStream(from, optionsOf(kind, sealed, true))
    stream.write({ type: 4, id: 1, sequence: 0, ack: 4, body: HELLO })
    const reading = drain(stream)
    const closed = stream.close()
    const parts: Buffer[] = []
    for await (const part of to) parts.push(part)
    await Promise.all([closed, reading])
    expect(Buffer.concat(parts).toString('hex')).toBe(
      sealed
        ? '0e234709df27aa4c9e9a0e6657e4bb8e5ff49fca4a610896629d1a2fce85982b23f7cdadfa6e5f1a4de9c05fe3320c24a4305d3d92adfa931f'
        : '0400000000000005000000010000000000000004b5e9c1ad071b3e7fc779cfaa5e5238185ea34381375f72f068656c6c6f',
    )
  })

  test('a stream cut anywhere gives the frames before the cut, and an error unless it was between two', async () => {
    const bodies = [randomBytes(30), randomBytes(0), randomBytes(7)]
    const wire = await wireOf(kind, sealed, bodies)
    const [head, tag] = sealed ? [36, 16] : [44, 0]
    const boundaries = [0, head + 30 + tag, 2 * head + 30 + tag, wire.byteLength]
    for (let at = 0; at <= wire.byteLength; at += 1) {
      const { frames, code } = await received(kind, sealed, wire.subarray(0, at))
      expect(code).toBe(boundaries.includes(at) ? undefined : 'ERR_NATIVE_PEER_LOST')
      expect(frames.length).toBe(boundaries.filter((boundary) => boundary > 0 && boundary <= at).length)
    }
  })

  test('a changed byte is noticed wherever it is', async () => {
    const wire = await wireOf(kind, sealed, [HELLO, randomBytes(9)])
    await fc.assert(
      fc.asyncProperty(fc.nat(wire.byteLength - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Uint8Array.from(wire, (byte, index) => (index === at ? byte ^ change : byte))
        const { frames, code } = await received(kind, sealed, changed)
        expect(frames.filter(({ intact }) => intact).length).toBeLessThan(2)
        if (sealed) expect(code).toBe('ERR_NATIVE_FORGED')
        else expect(code === 'ERR_NATIVE_CORRUPT' || frames.some(({ intact }) => !intact)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('garbage is refused', async () => {
    const { frames, code } = await received(kind, sealed, randomBytes(1_000))
    expect([frames.length, code]).toEqual([0, sealed ? 'ERR_NATIVE_FORGED' : 'ERR_NATIVE_CORRUPT'])
  })

  test('a body is taken at the limit of its type, refused past it, and a type that is not listed is refused', async () => {
    const bodyBytesMax = new Map([...BODY_BYTES_MAX, [5, 10] as const])
    const wire = await wireOf(kind, sealed, [randomBytes(400_000)])
    expect(await received(kind, sealed, wire)).toMatchObject({ frames: [{ intact: true }], code: undefined })
    const past = await wireOf(kind, sealed, [randomBytes(400_001)], { bodyBytesMax })
    // Its head is enough.
    expect(await received(kind, sealed, past.subarray(0, 44))).toEqual({ frames: [], code: 'ERR_NATIVE_TOO_LARGE' })
    const [from, to] = await sockets()
    const [one, other] = await Promise.all([
      openFrameStream(from, optionsOf(kind, sealed, true)),
      openFrameStream(to, optionsOf(kind, sealed, false)),
    ])
    one.write({ ...frameOf(HELLO), type: 5 })
    expect((await Promise.all([drain(other), drain(one)]))[0]).toEqual({ frames: [], code: 'ERR_NATIVE_TOO_LARGE' })
  })

  test('what was read before belongs to the stream, be it handed over or still in the socket', async () => {
    const wire = await wireOf(kind, sealed, [HELLO, randomBytes(100_000)])
    const [from, to] = await sockets()
    from.end(wire.subarray(3))
    await once(to, 'readable')
    const stream = await openFrameStream(to, { ...optionsOf(kind, sealed, false), received: wire.subarray(0, 3) })
    expect(await drain(stream)).toMatchObject({ frames: [{ intact: true }, { intact: true }], code: undefined })
  })

  test('what the socket still has to send goes out first', async () => {
    const [from, to] = await sockets()
    const before = randomBytes(8_000_000)
    from.write(before)
    const opening = openFrameStream(from, optionsOf(kind, sealed, true))
    let taken = 0
    let rest = Buffer.alloc(0)
    to.on('data', (part) => {
      const own = part.subarray(0, Math.max(0, before.byteLength - taken))
      if (own.compare(before, taken, taken + own.byteLength) !== 0) to.destroy()
      taken += own.byteLength
      rest = Buffer.concat([rest, part.subarray(own.byteLength)])
    })
    const stream = await opening
    stream.write(frameOf(HELLO))
    await Promise.all([stream.close(), drain(stream), once(to, 'end')])
    expect([taken, rest.byteLength]).toEqual([before.byteLength, sealed ? 36 + 5 + 16 : 44 + 5])
  })

  test('no descriptor stays open, however a stream ends', async () => {
    const open = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0)
    const settle = async (): Promise<number> => {
      for (let turns = 0; turns < 200; turns += 1) await turn()
      return open()
    }
    for (const stream of await pairOf({ caller: kind, listener: kind, sealed })) stream.destroy()
    const before = await settle()
    for (let round = 0; round < 30; round += 1) {
      const [one, other] = await pairOf({ caller: kind, listener: kind, sealed })
      const [first, second] = round % 2 === 0 ? [one, other] : [other, one]
      const reading = drain(second)
      first.write(frameOf(randomBytes(100_000)))
      if (round % 3 === 0) first.destroy()
      else await Promise.all([first.close(), drain(first)])
      await reading
    }
    expect(await settle()).toBeLessThanOrEqual(before + 1)
  })

  test('memory that is given back is empty, or the garbage collector has it', async () => {
    const [one, other] = await pairOf({ caller: kind, listener: kind, sealed })
    const reading = drain(one)
    const bodies = Array.from({ length: 30 }, () => randomBytes(100_000))
    const writing = writeAll(one, bodies).then(() => one.close())
    let at = 0
    for await (const batch of other.frames) {
      for (const { body } of batch) {
        expect(Buffer.compare(body, bodies[at] ?? Buffer.alloc(0))).toBe(0)
        at += 1
        releaseBody(body)
        expect(body.byteLength).toBe(streamBackend().kind === 'native' ? 0 : 100_000)
      }
    }
    await Promise.all([reading, writing])
    expect(at).toBe(30)
  })
})

describe.each(KINDS)('sealed, by %s', (kind) => {
  test('a frame sent again, left out, or put before another is refused', async () => {
    const wire = await wireOf(kind, true, [randomBytes(10), randomBytes(10), randomBytes(10)])
    const frameBytes = 36 + 10 + 16
    const [first, second, third] = [0, 1, 2].map((at) => wire.subarray(at * frameBytes, (at + 1) * frameBytes)) as [Buffer, Buffer, Buffer]
    for (const [parts, whole] of [
      [[first, first, second], 1],
      [[first, third], 1],
      [[second, first], 0],
    ] as const) {
      const { frames, code } = await received(kind, true, Buffer.concat(parts))
      expect([frames.length, code]).toEqual([whole, 'ERR_NATIVE_FORGED'])
    }
  })

  test("what a stream sent is refused when it comes back to it, and on another connection's keys", async () => {
    const wire = await wireOf(kind, true, [randomBytes(10)])
    const [from, to] = await sockets()
    const sender = await openFrameStream(to, optionsOf(kind, true, true))
    from.on('error', () => undefined).end(wire)
    expect(await drain(sender)).toEqual({ frames: [], code: 'ERR_NATIVE_FORGED' })
    const [again, receiver] = await sockets()
    const secrets = streamSecrets({ shared: Buffer.alloc(32, 3), serial: 2, isCaller: false })
    const stream = await openFrameStream(receiver, { bodyBytesMax: BODY_BYTES_MAX, backend: kind, secrets })
    again.on('error', () => undefined).end(wire)
    expect(await drain(stream)).toEqual({ frames: [], code: 'ERR_NATIVE_FORGED' })
  })

  test('frames without keys are refused, and frames with keys by who has none', async () => {
    const open = await wireOf(kind, false, [randomBytes(100)])
    const closed = await wireOf(kind, true, [randomBytes(100)])
    expect(await received(kind, true, open)).toEqual({ frames: [], code: 'ERR_NATIVE_FORGED' })
    expect(await received(kind, false, closed)).toEqual({ frames: [], code: 'ERR_NATIVE_CORRUPT' })
  })

  test('neither a body nor its length is readable on the wire', async () => {
    const wire = await wireOf(kind, true, [Buffer.alloc(64), Buffer.alloc(64)])
    expect(wire.includes(Buffer.alloc(8))).toBe(false)
    const frameBytes = 36 + 64 + 16
    expect(wire.subarray(0, frameBytes).equals(wire.subarray(frameBytes))).toBe(false)
  })
})

test('secrets are mirrored at the two ends and depend on everything that goes in', () => {
  const [caller, listener] = [secretsOf(true), secretsOf(false)]
  expect([caller.send, caller.receive]).toEqual([listener.receive, listener.send])
  expect(caller.send).not.toEqual(caller.receive)
  expect(secretsOf(true, Buffer.alloc(32, 4)).send).not.toEqual(caller.send)
  expect(() => secretsOf(true, Buffer.alloc(31))).toThrow(RangeError)
  expect(streamSecrets({ shared: Buffer.alloc(32, 3), serial: 2, isCaller: true }).send).not.toEqual(caller.send)
  for (const serial of [-1, 0.5, 2 ** 53, Number.NaN])
    expect(() => streamSecrets({ shared: Buffer.alloc(32), isCaller: true, serial })).toThrow(RangeError)
})

test('options outside their range are programmer mistakes', async () => {
  const [from, to] = await sockets()
  const secrets = { send: new Uint8Array(31), receive: new Uint8Array(32) }
  for (const options of [
    { bodyBytesMax: new Map([[256, 1]]) },
    { bodyBytesMax: new Map([[1, 2 ** 30 + 1]]) },
    { bodyBytesMax: BODY_BYTES_MAX, sendQueueBytes: 0 },
    { bodyBytesMax: BODY_BYTES_MAX, receiveQueueBytes: 0.5 },
    { bodyBytesMax: BODY_BYTES_MAX, secrets },
  ]) {
    await expect(openFrameStream(from, options)).rejects.toThrow(RangeError)
  }
  from.destroy()
  to.destroy()
})

test('a socket that is lost before is said to be', async () => {
  const [from, to] = await sockets()
  from.destroy()
  to.destroy()
  await once(from, 'close')
  const opened = openFrameStream(from, { bodyBytesMax: BODY_BYTES_MAX }).then((stream) => drain(stream))
  await expect(opened.then(({ code }) => Promise.reject({ code }))).rejects.toMatchObject({ code: 'ERR_NATIVE_PEER_LOST' })
})
