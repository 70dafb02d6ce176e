import type { Measurement, Metric } from '../../harness/suite.js'

/** All exact: they are made of counted bytes alone. docs/encoding.md says what each means. */
export const PROMISED_METRICS: readonly Metric[] = [
  { name: 'first copy', unit: 'raw/wire', better: 'higher', exact: true },
  { name: 'later versions', unit: '% smaller than compressed', better: 'higher', exact: true },
  { name: 'later versions, against zstd -3', unit: '% smaller', better: 'higher', exact: true },
  { name: 'all bytes', unit: '% saved', better: 'higher', exact: true },
  { name: 'block tier, first copy', unit: '% removed', better: 'higher', exact: true },
  { name: 'block tier, later versions', unit: '% removed', better: 'higher', exact: true },
  { name: 'wire bytes', unit: 'B', better: 'lower', exact: true },
]

/** What one version took. */
export interface VersionBytes {
  readonly rawBytes: number
  /** Given the version before it; the first: given nothing. */
  readonly wireBytes: number
  /** Given nothing, by the same contender. */
  readonly aloneBytes: number
  /** Raw bytes that the block tier left to nobody: zero, unchanged and duplicate pages, or copies; absent for peers. */
  readonly removedBytes?: number
}

/** `compressedBytes`: what each version takes by zstd -3 on its own. The smaller of that and our own is what counts as compressed. */
export function promisedFigures(versions: readonly VersionBytes[], compressedBytes: readonly number[]): Measurement {
  const [first, ...later] = versions
  if (first === undefined || later.length === 0) throw new RangeError(`${versions.length} versions: two at least`)
  const sum = (of: readonly VersionBytes[], value: (version: VersionBytes) => number): number =>
    of.reduce((total, version) => total + value(version), 0)
  const percentLess = (part: number, whole: number): number => 100 * (1 - part / whole)
  const compressed = later.reduce(
    (total, { aloneBytes }, index) => total + Math.min(aloneBytes, compressedBytes[index + 1] ?? aloneBytes),
    0,
  )
  const removed = (of: readonly VersionBytes[]): number =>
    (100 * sum(of, ({ removedBytes = 0 }) => removedBytes)) / sum(of, ({ rawBytes }) => rawBytes)
  return {
    'first copy': first.rawBytes / first.wireBytes,
    'later versions': percentLess(
      sum(later, ({ wireBytes }) => wireBytes),
      compressed,
    ),
    ...(compressedBytes.length === 0
      ? {}
      : {
          'later versions, against zstd -3': percentLess(
            sum(later, ({ wireBytes }) => wireBytes),
            compressedBytes.slice(1).reduce((total, bytes) => total + bytes, 0),
          ),
        }),
    'all bytes': percentLess(
      sum(versions, ({ wireBytes }) => wireBytes),
      sum(versions, ({ rawBytes }) => rawBytes),
    ),
    ...(first.removedBytes === undefined
      ? {}
      : { 'block tier, first copy': removed([first]), 'block tier, later versions': removed(later) }),
    'wire bytes': sum(versions, ({ wireBytes }) => wireBytes),
  }
}
