import { readFile } from 'node:fs/promises'
import { loadHash } from '@dwcp/native-rdma/hash'
import { expect, test } from 'vitest'
import { encodeCredit, encodeEnding, encodeLabelled, encodeOpening } from './body.ts'
import { EMPTY, encodeHeader, FRAME } from './frame.ts'
import { decodeHello, encodeHello, helloBytes } from './hello.ts'

const hash = await loadHash()
const page = await readFile(new URL('../../../docs/wire/amst.md', import.meta.url), 'utf8')
const hello = Buffer.from('hello')

test.each([
  ['ping', encodeHeader(hash, { type: FRAME.ping, id: 5, sequence: 0, body: EMPTY }, 0)],
  ['chunk', Buffer.concat([encodeHeader(hash, { type: FRAME.chunk, id: 1, sequence: 0, body: hello }, 4), hello])],
  [
    'message',
    Buffer.concat([
      encodeHeader(hash, { type: FRAME.message, id: 0, sequence: 1, body: encodeLabelled('x', hello) }, 7),
      encodeLabelled('x', hello),
    ]),
  ],
  ['open', encodeOpening({ className: 1, lengthBytes: 5, name: 'disk', metadata: Uint8Array.of(9) })],
  ['end', encodeEnding({ chunks: 2, lengthBytes: 5, digest: hash.xxh3_128(hello) })],
  ['credit', encodeCredit({ received: 3, granted: 1_048_576 })],
  ['join', encodeHello({ kind: 'join', secret: Uint8Array.from({ length: 16 }, (_, n) => n), index: 2 })],
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
