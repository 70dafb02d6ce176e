import { invalidReply } from './reply.js'

/** What the memory of the program `simulation` shall be. Pages are of 4 KiB. */
export interface SimulationOptions {
  readonly pages: number
  /** The first so many change, the others are static. */
  readonly changingPages: number
  readonly pagesPerSecond: number
  /** 32 bits. */
  readonly seed: number
  /** Of each 16 words of 4 bytes, how many are random; the others hold the page's number. @defaultValue 16 */
  readonly randomWords?: number
}

/** Where the program `simulation` stands. */
export interface SimulationStatus {
  /** Pages that hold their first content. */
  readonly filled: number
  /** Pages written since. */
  readonly written: number
  /** The reply to `check`; 0 otherwise. */
  readonly checksum: number
  /** The program's clock. */
  readonly nowMs: number
}

const WORDS = 1024
const STRIDE = 0x9e3779b1
/** Most pages of one `check`. */
export const SIMULATION_CHECK_PAGES: number = 256

/**
 * Requests of the program `simulation`, and what they must find.
 *
 * @public
 */
export const simulation = {
  status: (): Uint8Array => Uint8Array.of(0),
  /** Once; later ones change nothing. */
  configure: (options: SimulationOptions): Uint8Array =>
    encode(1, options.pages, options.changingPages, options.pagesPerSecond, options.seed, options.randomWords ?? 16),
  /** Asks for a checksum of what `count` pages hold (at most {@link SIMULATION_CHECK_PAGES}). */
  check: (firstPage: number, count: number): Uint8Array => encode(2, firstPage, count),
  rate: (pagesPerSecond: number): Uint8Array => encode(3, pagesPerSecond),
  decode(reply: Uint8Array): SimulationStatus {
    if (reply.length !== 32) throw invalidReply('simulation', reply, 32)
    const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength)
    return {
      filled: view.getFloat64(0, true),
      written: view.getFloat64(8, true),
      checksum: view.getUint32(16, true),
      nowMs: view.getFloat64(24, true),
    }
  },
  /** The checksum that `check` must give after `written` writes, computed without the program. */
  expectedChecksum(options: SimulationOptions, firstPage: number, count: number, written: number): number {
    const stride = strideOf(options.changingPages)
    const inverse = inverseOf(stride, options.changingPages)
    let sum = 0
    for (let page = firstPage; page < firstPage + count; page++)
      sum = mixPage(sum, page, generation(options, page, inverse, written), options)
    return sum >>> 0
  },
} as const

/** How often `page` was written: a round visits page (n × stride) mod changing as its n-th. */
function generation({ changingPages }: SimulationOptions, page: number, inverse: bigint, written: number): number {
  if (page >= changingPages) return 0
  const position = Number((BigInt(page) * inverse) % BigInt(changingPages))
  return Math.floor((written - 1 - position) / changingPages) + 1
}

function mixPage(sum: number, page: number, times: number, { seed, randomWords = 16 }: SimulationOptions): number {
  let mixed = (Math.imul(seed ^ page, 0x85ebca6b) + Math.imul(times, 0xc2b2ae35)) | 0
  mixed ^= mixed >>> 16
  mixed = Math.imul(mixed, 0x9e3779b1)
  let state = (mixed ^ (mixed >>> 13)) | 1
  let total = sum
  for (let word = 0; word < WORDS; word++) {
    let value = page
    if (word % 16 < randomWords) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      value = state
    }
    total = Math.imul(((total << 5) | (total >>> 27)) ^ value, 0x9e3779b1)
  }
  return total
}

function strideOf(changing: number): number {
  if (changing === 0) return 1
  let stride = STRIDE % changing
  while (divisor(stride, changing) !== 1) stride++
  return stride
}

function divisor(left: number, right: number): number {
  return right === 0 ? left : divisor(right, left % right)
}

/** Extended Euclid. */
function inverseOf(stride: number, changing: number): bigint {
  let [a, b] = [BigInt(stride), BigInt(Math.max(1, changing))]
  let [x, y] = [1n, 0n]
  while (b > 0n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[x, y] = [y, x - quotient * y]
  }
  const modulus = BigInt(Math.max(1, changing))
  return ((x % modulus) + modulus) % modulus
}

function encode(operation: number, ...numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(1 + 4 * numbers.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = operation
  for (const [index, number] of numbers.entries()) view.setUint32(1 + 4 * index, number, true)
  return bytes
}
