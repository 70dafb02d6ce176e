import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { loadHash } from '@dwcp/native-rdma/hash'
import { openFrameStream, type StreamFrame } from '@dwcp/native-rdma/stream'
import { expect, test } from 'vitest'
import { encodeChecked, encodeCredit, encodeEnding, encodeHave, encodeLabelled, encodeLength, encodeOpening } from './body.ts'
import { DatagramSealer } from './datagram/seal.ts'
import { EMPTY, FRAME } from './frame.ts'
import { decodeHello, encodeHello, helloBytes } from './hello.ts'
import { AgreedMode } from './mode.ts'

const hash = await loadHash()
const page = await readFile(new URL('../../../docs/wire/amst.md', import.meta.url), 'utf8')
const hello = Buffer.from('hello')

test.each([
  ['ping', await bytesOf({ type: FRAME.ping, id: 5, sequence: 0, ack: 0, body: EMPTY })],
  ['chunk', await bytesOf({ type: FRAME.chunk, id: 1, sequence: 0, ack: 4, body: hello })],
  ['message', await bytesOf({ type: FRAME.message, id: 0, sequence: 1, ack: 7, body: encodeLabelled('x', hello) })],
  ['open', encodeOpening({ className: 1, lengthBytes: 5, blockBytes: 262_144, key: 'k', name: 'disk', metadata: Uint8Array.of(9) })],
  ['end', encodeEnding({ chunks: 2, lengthBytes: 5, digest: hash.xxh3_128(hello) })],
  ['credit', encodeCredit({ received: 3, granted: 1_048_576, placed: [] })],
  ['credit of blocks', encodeCredit({ received: 0, granted: 1_048_576, placed: [2, 7] })],
  ['have', encodeHave([{ first: 1, count: 2, digest: hash.xxh3_128(hello) }])],
  ['checked', encodeChecked({ first: 1, count: 2, isSame: true })],
  ['rate', encodeLength(25_000_000)],
  ['mode', new AgreedMode().say('internet') ?? EMPTY],
  [
    "datagram (shared: 32 bytes of 3, tag: 8 of 1; the caller's first, `hello` on channel `x`)",
    new DatagramSealer({ shared: new Uint8Array(32).fill(3), tag: new Uint8Array(8).fill(1), isCaller: true }).seal(
      Buffer.concat([Uint8Array.of(2), encodeLabelled('x', hello)]),
    ),
  ],
  ['join', encodeHello({ kind: 'join', secret: Uint8Array.from({ length: 16 }, (_, n) => n), index: 2 })],
  ['seal', encodeHello({ kind: 'seal', tag: new Uint8Array(8).fill(1), index: 2, serial: 3 })],
  ['enroll', encodeHello({ kind: 'enroll', request: 'me' })],
  ['enrolled', encodeHello({ kind: 'enrolled', lengthBytes: 5 })],
  ['refuse', encodeHello({ kind: 'refuse', code: 'ERR_AMST_REFUSED', message: 'no' })],
])('the bytes of "%s" are those that docs/wire/amst.md shows', (name, bytes) => {
  expect(page).toContain(`| ${name} | \`${Buffer.from(bytes).toString('hex')}\` |`)
})

test('a hello that is cut, damaged, of another version or another protocol is refused and never misread', () => {
  const whole = encodeHello({ kind: 'join', secret: new Uint8Array(16), index: 2 })
  for (let end = 0; end < 8; end += 1) expect(helloBytes(whole.subarray(0, end))).toBeUndefined()
  expect(helloBytes(whole)).toBe(whole.byteLength)
  for (let end = 8; end < whole.byteLength; end += 1)
    expect(() => decodeHello(whole.subarray(0, end))).toThrow(expect.objectContaining({ code: 'ERR_AMST_HANDSHAKE' }))
  const changed = (at: number, value: number): Buffer => Buffer.from(whole).fill(value, at, at + 1)
  expect(() => helloBytes(changed(4, 2))).toThrow(expect.objectContaining({ code: 'ERR_AMST_VERSION' }))
  expect(() => helloBytes(changed(0, 0x16))).toThrow(expect.objectContaining({ code: 'ERR_AMST_SECURITY_MISMATCH' }))
  expect(() => helloBytes(changed(1, 0))).toThrow(expect.objectContaining({ code: 'ERR_AMST_HANDSHAKE' }))
  expect(() => helloBytes(changed(6, 255))).toThrow(expect.objectContaining({ code: 'ERR_AMST_HANDSHAKE' }))
  for (let at = 5; at < whole.byteLength; at += 1) {
    for (const value of [0, 1, 0x7f, 0xc1, 0xdf, 0xff]) {
      try {
        expect(decodeHello(changed(at, value))).toHaveProperty('kind')
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_AMST_HANDSHAKE' })
      }
    }
  }
})

/** What a stream sends for a frame. */
async function bytesOf(frame: StreamFrame): Promise<Buffer> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const caller = connect(bound !== null && typeof bound === 'object' ? bound.port : 0, '127.0.0.1')
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(caller, 'connect')])
  await using stream = await openFrameStream(caller, { bodyBytesMax: new Map() })
  stream.write(frame)
  const closed = stream.close()
  const parts: Buffer[] = []
  for await (const part of accepted) parts.push(part)
  accepted.end()
  for await (const _ of stream.frames) throw new Error('nothing was sent to it')
  await closed
  server.close()
  return Buffer.concat(parts)
}
