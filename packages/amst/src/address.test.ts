import { expect, test } from 'vitest'
import { formatAddress, isLiteral, parseAddress } from './address.js'
import { decodeHello, encodeHello } from './hello.js'
import { DEFAULT_LIMITS } from './limits.js'

test.each(['127.0.0.1:7400', '[::1]:7400', 'example.org:1'])('%s is read and written alike', (text) => {
  expect(formatAddress(parseAddress(text))).toBe(text)
})

test.each(['', 'example.org', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '::1:7400', '[::1]', ':1'])('%j is no address', (text) => {
  expect(() => parseAddress(text)).toThrow(RangeError)
  expect(isLiteral(text)).toBe(false)
})

test('a hello carries literals with ports, at most eight, and nothing else', () => {
  const bytes = new Uint8Array(16)
  const accept = {
    kind: 'accept',
    node: 'b',
    instance: bytes,
    streams: 1,
    allowance: DEFAULT_LIMITS,
    secret: bytes,
    tag: bytes.subarray(8),
  } as const
  const carried = (addresses: unknown): unknown => decodeHello(encodeHello({ ...accept, addresses } as never))
  expect(carried(['192.0.2.1:7400', '[2001:db8::1]:1'])).toMatchObject({ addresses: ['192.0.2.1:7400', '[2001:db8::1]:1'] })
  expect(carried([])).toMatchObject({ addresses: [] })
  for (const wrong of ['192.0.2.1:7400', 7, [7], ['192.0.2.1'], ['localhost:7400'], Array.from({ length: 9 }, () => '192.0.2.1:1')])
    expect(() => carried(wrong), JSON.stringify(wrong)).toThrow(expect.objectContaining({ code: 'ERR_AMST_HANDSHAKE' }))
})
