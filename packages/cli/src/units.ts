import { cliError } from './errors.js'

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
}
const BIT_UNITS: Readonly<Record<string, number>> = { bit: 1, k: 1e3, kbit: 1e3, m: 1e6, mbit: 1e6, g: 1e9, gbit: 1e9 }
const TIME_UNITS_MS: Readonly<Record<string, number>> = { us: 1e-3, ms: 1, s: 1e3, min: 60e3, h: 3600e3, d: 86_400e3 }
const BINARY_STEPS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/**
 * Reads an amount of bytes: `64MiB`, `1GiB`, `10MB` (decimal), `4096` or `4096B`.
 *
 * @param name - What the amount is for, such as `--bytes`; begins the error's message.
 * @returns a whole number of bytes, at least 0.
 * @throws `ERR_CLI_USAGE`
 * @public
 */
export function parseBytes(text: string, name: string): number {
  return Math.round(amount(text, name, BYTE_UNITS, 'B', 'an amount of bytes such as 64MiB, 1GiB or 4096'))
}

/**
 * Reads a rate in bytes: `20MiB/s`; the `/s` may be left out.
 *
 * @returns bytes per second, at least 0.
 * @throws `ERR_CLI_USAGE`
 * @public
 */
export function parseByteRate(text: string, name: string): number {
  return amount(text.replace(/\/s$/, ''), name, BYTE_UNITS, 'B', 'a rate such as 20MiB/s')
}

/**
 * Reads the rate of a link, in bits as links are sold: `500mbit`, `500m`, `1gbit`; a `/s` may follow, and case does not matter.
 *
 * @returns bits per second, above 0.
 * @throws `ERR_CLI_USAGE`
 * @public
 */
export function parseBitRate(text: string, name: string): number {
  const what = 'a rate in bits above 0, such as 500mbit or 1gbit'
  const value = amount(text.replace(/\/s$/, '').toLowerCase(), name, BIT_UNITS, 'bit', what)
  if (value === 0) throw refused(text, name, what)
  return value
}

/**
 * Reads a duration: `100ms`, `1.5s`, `2min`, `12h`, `7d`. The unit must be there.
 *
 * @returns milliseconds, at least 0.
 * @throws `ERR_CLI_USAGE`
 * @public
 */
export function parseDuration(text: string, name: string): number {
  return amount(text, name, TIME_UNITS_MS, undefined, 'a duration such as 100ms or 1.5s')
}

/**
 * Reads a share: `0.1%` or `0.001`.
 *
 * @returns a ratio from 0 up to, not including, 1.
 * @throws `ERR_CLI_USAGE`
 * @public
 */
export function parseRatio(text: string, name: string): number {
  const value = amount(text, name, { '%': 0.01, '': 1 }, '', 'a share below 100%, such as 0.1% or 0.001')
  if (value >= 1) throw refused(text, name, 'a share below 100%, such as 0.1% or 0.001')
  return value
}

/** `12.5 MiB`: three digits that count. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let step = 0
  while (Math.abs(value) >= 1024 && step < BINARY_STEPS.length - 1) {
    value /= 1024
    step++
  }
  return `${step === 0 ? Math.round(value) : digits(value)} ${BINARY_STEPS[step] ?? 'B'}`
}

export function formatByteRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

/** `500 Mbit/s` */
export function formatBitRate(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e9) return `${digits(bitsPerSecond / 1e9)} Gbit/s`
  return bitsPerSecond >= 1e6 ? `${digits(bitsPerSecond / 1e6)} Mbit/s` : `${digits(bitsPerSecond / 1e3)} kbit/s`
}

/** `1.25 s`, `12.5 ms`, `80 µs` */
export function formatDuration(ms: number): string {
  if (ms >= 1000) return `${digits(ms / 1000)} s`
  return ms >= 1 || ms === 0 ? `${digits(ms)} ms` : `${digits(ms * 1000)} µs`
}

/** `12,345` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

function digits(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 99.95 || Number.isInteger(value) ? 0 : size >= 9.995 ? 1 : 2)
}

function amount(text: string, name: string, units: Readonly<Record<string, number>>, without: string | undefined, what: string): number {
  const [, number, unit] = /^(\d{1,15}(?:\.\d{1,9})?)\s?([A-Za-z%]*)$/.exec(text) ?? []
  const unitName = unit === '' ? without : unit
  const factor = unitName !== undefined && Object.hasOwn(units, unitName) ? units[unitName] : undefined
  if (number === undefined || factor === undefined) throw refused(text, name, what)
  const value = Number(number) * factor
  if (value > Number.MAX_SAFE_INTEGER) throw refused(text, name, what)
  return value
}

function refused(text: string, name: string, what: string): Error {
  return cliError('ERR_CLI_USAGE', `${name} ${text}: write ${what}`)
}
