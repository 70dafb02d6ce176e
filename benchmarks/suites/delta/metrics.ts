import type { Measurement, Metric } from '../../harness/suite.js'

export const METRICS: readonly Metric[] = [
  { name: 'bytes', unit: 'B', better: 'lower', exact: true },
  { name: 'encode', unit: 'MB/CPU-s', better: 'higher', exact: false },
  { name: 'decode', unit: 'MB/CPU-s', better: 'higher', exact: false },
]

/** Of pairs that are JSON lines: their bytes by the number of documents. */
export const PER_DOCUMENT: Metric = { name: 'each document', unit: 'B', better: 'lower', exact: true }

/** Speeds are of the bytes that the other side has in the end: `afterBytes` by the CPU time of all threads and children. */
export function measurement(bytes: number, afterBytes: number, encodeSeconds: number, decodeSeconds?: number): Measurement {
  const speed = (seconds: number): number => afterBytes / 1e6 / seconds
  return { bytes, encode: speed(encodeSeconds), ...(decodeSeconds === undefined ? {} : { decode: speed(decodeSeconds) }) }
}
