import { expect, test } from 'vitest'
import { formatAddress, parseAddress } from './address.js'

test.each(['127.0.0.1:7400', 'example.org:0', '[::1]:65535'])('reads %s and writes it the same', (text) => {
  expect(formatAddress(parseAddress(text, '--to'))).toBe(text)
})

test.each(['', 'host', 'host:', ':80', 'host:65536', '::1:80', 'http://host:80', 'host:8 0', '[::1]'])('refuses %j', (text) => {
  expect(() => parseAddress(text, '--to')).toThrow(
    expect.objectContaining({ code: 'ERR_CLI_USAGE', message: expect.stringContaining('write host:port') }),
  )
})
