import type { Cost } from './cost-model.js'

/**
 * When the last byte of a region is there, in milliseconds: encoding, the link and decoding overlap from region to region, so that
 * the slowest of them counts.
 *
 * @param bytesPerSecond - What the link gives to this traffic.
 * @param sharedMs - What encoding takes whatever is chosen: reading, comparing and hashing.
 * @public
 */
export function finishMs({ encodeMs, bytes, decodeMs }: Cost, bytesPerSecond: number, sharedMs = 0): number {
  return Math.max(encodeMs + sharedMs, (bytes / bytesPerSecond) * 1000, decodeMs)
}

/**
 * The same where nothing overlaps.
 *
 * @public
 */
export function serialMs({ encodeMs, bytes, decodeMs }: Cost, bytesPerSecond: number, sharedMs = 0): number {
  return encodeMs + sharedMs + (bytes / bytesPerSecond) * 1000 + decodeMs
}

/** What predictions are taken to be wrong by, as a factor, either way: the best of 0.3 to 0.9 doublings by cross-validation. */
const SPREAD = 2 ** 0.75
/** A quarter of the time that much less, a quarter that much more. */
const CASES = [
  [1 / SPREAD, 0.25],
  [1, 0.5],
  [SPREAD, 0.25],
] as const
/** Queues are short, so that stages overlap in part only: this much of what they take one after the other counts, by cross-validation. */
const WORK_WEIGHT = 0.1

/**
 * What {@link finishMs} is to be expected of a prediction: the slowest of three is slower than the slowest of what is likeliest, most
 * so where two of them are alike.
 */
export function expectedFinishMs({ encodeMs, bytes, decodeMs }: Cost, bytesPerSecond: number, sharedMs: number): number {
  let sum = WORK_WEIGHT * serialMs({ encodeMs, bytes, decodeMs }, bytesPerSecond, sharedMs)
  for (const [slower, often] of CASES) {
    for (const [larger, asOften] of CASES) {
      const cost = { encodeMs: encodeMs * slower, bytes: bytes * larger, decodeMs: decodeMs * slower }
      sum += often * asOften * finishMs(cost, bytesPerSecond, sharedMs)
    }
  }
  return sum
}
