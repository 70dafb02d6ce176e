/**
 * - `fast`: the base indexed thinly, longer steps where nothing matches, zstd level 2, and a reference for literals only where it is short.
 * - `balanced`: zstd level 3.
 * - `small`: the base indexed densely, copies only where they cost less than literals do, zstd level 19, for literals 8 to 19: by
 *   their length and that of the object, the highest with which small objects take a tenth of a second more and large ones 20 ms a MB.
 *
 * @public
 */
export type DeltaLevel = 'fast' | 'balanced' | 'small'

export interface Effort {
  readonly match: DeltaLevel
  readonly zstdLevel: number
  /** The longest reference that literals are given. */
  readonly referenceBytes: number
  /** Levels to choose from for literals, the highest first; without them it is `zstdLevel`. */
  readonly literalLevels?: readonly LiteralLevel[]
  /** Two to this power of entries fit a core's own cache: a place that is looked up does not wait for memory. */
  readonly tableLogMax: number
}

interface LiteralLevel {
  readonly level: number
  /** For each byte of literals and of their reference, which goes into the same search trees; 0 where it may take what it takes. */
  readonly nanosecondsPerByte: number
  /** The longest reference that it is given. */
  readonly referenceBytes: number
}

/** What packing the literals may take for each byte of the block, and what it may always take. */
const NANOSECONDS_PER_BLOCK_BYTE = 20
const ALWAYS_NANOSECONDS = 1e8

// zstd 1.5.4 on literals of 0.9 to 1.9 MB with references of 2.3 to 5.1 MB: 215 to 320, 190 to 230, at level 12 15 to 30 ns. It takes in a
// reference without a look at whether to stop, 1 MiB at levels 19 and 16 in some 150 ms, 16 MiB at 12 and 32 MiB at 8 in some 200.
const SMALL_LITERALS: readonly LiteralLevel[] = [
  { level: 19, nanosecondsPerByte: 300, referenceBytes: 1 << 20 },
  { level: 16, nanosecondsPerByte: 200, referenceBytes: 1 << 20 },
  { level: 12, nanosecondsPerByte: 0, referenceBytes: 16 << 20 },
  { level: 8, nanosecondsPerByte: 0, referenceBytes: Number.POSITIVE_INFINITY },
]

// zstd's fast levels remember every third place of a reference: of a longer one, a table of 2^16 entries forgets the beginning while it
// takes in the rest. Of the literals of three releases level 2 alone took 0.98 to 1.02 of the bytes that level 1 took with references of
// 2.3 to 10.9 MB, in 0.46 to 0.74 of the time that making the reference and using it took.
const FAST_REFERENCE_BYTES = 256 << 10

export const LEVELS: Readonly<Record<DeltaLevel, Effort>> = {
  fast: { match: 'fast', zstdLevel: 2, referenceBytes: FAST_REFERENCE_BYTES, tableLogMax: 16 },
  balanced: { match: 'balanced', zstdLevel: 3, referenceBytes: Number.POSITIVE_INFINITY, tableLogMax: 18 },
  small: { match: 'small', zstdLevel: 19, referenceBytes: Number.POSITIVE_INFINITY, literalLevels: SMALL_LITERALS, tableLogMax: 22 },
}

/** By lengths alone, so that the same content is encoded the same way everywhere. */
export function literalLevelOf(
  { zstdLevel, literalLevels = [] }: Effort,
  { literalBytes, referenceBytes, blockBytes }: Readonly<Record<'literalBytes' | 'referenceBytes' | 'blockBytes', number>>,
): number {
  const most = Math.max(ALWAYS_NANOSECONDS, blockBytes * NANOSECONDS_PER_BLOCK_BYTE)
  const fits = (one: LiteralLevel): boolean =>
    referenceBytes <= one.referenceBytes && one.nanosecondsPerByte * (literalBytes + referenceBytes) <= most
  return literalLevels.find(fits)?.level ?? zstdLevel
}
