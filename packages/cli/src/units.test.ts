import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatBitRate,
  formatByteRate,
  formatBytes,
  formatDuration,
  parseBitRate,
  parseByteRate,
  parseBytes,
  parseDuration,
  parseRatio,
} from './units.js'

const BYTES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

describe('parseBytes', () => {
  test('multiplies every whole number by its unit', () => {
    fc.assert(
      fc.property(fc.nat(8_000), fc.constantFrom(...Object.entries(BYTES)), (count, [unit, factor]) => {
        expect(parseBytes(`${count}${unit}`, '--bytes')).toBe(count * factor)
        expect(parseBytes(`${count} ${unit}`, '--bytes')).toBe(count * factor)
      }),
    )
  })

  test('reads back what formatBytes wrote, within the three digits that it keeps', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (bytes) => {
        const text = formatBytes(bytes)
        fc.pre(!text.endsWith('TiB'))
        expect(Math.abs(parseBytes(text, 'x') - bytes)).toBeLessThanOrEqual(bytes * 0.006 + 1)
      }),
    )
  })

  test('takes a number without a unit as bytes, and fractions of a unit', () => {
    expect(parseBytes('4096', '--bytes')).toBe(4096)
    expect(parseBytes('1.5GiB', '--bytes')).toBe(1.5 * 2 ** 30)
  })

  test.each(['', '-1', '1G', '1gib', 'MiB', '1e9', '0x10', '1 2', '999999999999GiB', '1MiB/s', 'constructor', '1constructor'])(
    'refuses %j with the name of the option and an example',
    (text) => {
      expect(() => parseBytes(text, '--bytes')).toThrow(
        expect.objectContaining({ code: 'ERR_CLI_USAGE', message: expect.stringMatching(/^--bytes .*64MiB/) }),
      )
    },
  )

  test('answers any text with a whole number or ERR_CLI_USAGE', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Number.isSafeInteger(parseBytes(text, 'x'))).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_CLI_USAGE' })
        }
      }),
    )
  })
})

test('rates are read with and without /s', () => {
  expect(parseByteRate('20MiB/s', '--dirty-rate')).toBe(20 * 2 ** 20)
  expect(parseByteRate('20MiB', '--dirty-rate')).toBe(20 * 2 ** 20)
})

test('the rate of a link is in bits, and above zero', () => {
  for (const text of ['500m', '500mbit', '500Mbit/s', '0.5gbit', '500000000']) expect(parseBitRate(text, '--rate')).toBe(500e6)
  for (const text of ['0', '0m', '10MiB', ''])
    expect(() => parseBitRate(text, '--rate')).toThrow(expect.objectContaining({ code: 'ERR_CLI_USAGE' }))
})

test('a duration needs its unit', () => {
  expect(['250us', '100ms', '1.5s', '2min'].map((text) => parseDuration(text, '--downtime'))).toEqual([0.25, 100, 1500, 120_000])
  expect(() => parseDuration('100', '--downtime')).toThrow(/--downtime 100: write a duration such as 100ms/)
})

test('a share is a percentage or a ratio, below all', () => {
  expect([parseRatio('0.1%', '--loss'), parseRatio('0.001', '--loss'), parseRatio('0', '--loss')]).toEqual([0.001, 0.001, 0])
  for (const text of ['100%', '1', '2', 'x'])
    expect(() => parseRatio(text, '--loss')).toThrow(expect.objectContaining({ code: 'ERR_CLI_USAGE' }))
})

test('figures keep three digits that count', () => {
  expect([0, 999, 1024, 1536, 10.25 * 2 ** 20, 123.4 * 2 ** 20, 5 * 2 ** 40].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1 KiB',
    '1.50 KiB',
    '10.3 MiB',
    '123 MiB',
    '5 TiB',
  ])
  expect([0, 0.08, 1, 12.34, 999.4, 1250].map(formatDuration)).toEqual(['0 ms', '80 µs', '1 ms', '12.3 ms', '999 ms', '1.25 s'])
  expect(formatByteRate(2 ** 20)).toBe('1 MiB/s')
  expect([5e5, 5e8, 1e9].map(formatBitRate)).toEqual(['500 kbit/s', '500 Mbit/s', '1 Gbit/s'])
})
