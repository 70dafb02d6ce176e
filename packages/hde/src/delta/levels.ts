/**
 * - `fast`: the base indexed thinly, longer steps where nothing matches, zstd level 1.
 * - `balanced`: zstd level 3.
 * - `small`: the base indexed densely, copies only where they cost less than literals do, zstd level 19, for literals 12 to 19: by
 *   their length and that of the object, the highest with which small objects take a tenth of a second more and large ones 20 ms a MB.
 *
 * @public
 */
export type DeltaLevel = 'fast' | 'balanced' | 'small'

export interface Effort {
  readonly match: DeltaLevel
  readonly zstdLevel: number
  /** Levels to choose from for literals, the highest first; without them it is `zstdLevel`. */
  readonly literalLevels?: readonly LiteralLevel[]
  /** Two to this power of entries fit a core's own cache: a place that is looked up does not wait for memory. */
  readonly tableLogMax: number
}

interface LiteralLevel {
  readonly level: number
  /** For each byte of literals and of their reference, which goes into the same search trees. Its magnitude is what counts. */
  readonly nanosecondsPerByte: number
}

/** What packing the literals may take for each byte of the block, and what it may always take. */
const NANOSECONDS_PER_BLOCK_BYTE = 20
const ALWAYS_NANOSECONDS = 1e8
/** The levels above 12 put a reference into their search trees before they look at whether to stop: so much takes them some 150 ms. */
const TREE_REFERENCE_BYTES = 1 << 20

// zstd 1.5.4 on literals of 0.9 to 1.9 MB with references of 2.3 to 5.1 MB: 215 to 320, 190 to 230, 15 to 22 ns.
const SMALL_LITERALS: readonly LiteralLevel[] = [
  { level: 19, nanosecondsPerByte: 300 },
  { level: 16, nanosecondsPerByte: 200 },
  { level: 12, nanosecondsPerByte: 20 },
]

export const LEVELS: Readonly<Record<DeltaLevel, Effort>> = {
  fast: { match: 'fast', zstdLevel: 1, tableLogMax: 16 },
  balanced: { match: 'balanced', zstdLevel: 3, tableLogMax: 18 },
  small: { match: 'small', zstdLevel: 19, literalLevels: SMALL_LITERALS, tableLogMax: 22 },
}

/** By lengths alone, so that the same content is encoded the same way everywhere. */
export function literalLevelOf(
  { zstdLevel, literalLevels = [] }: Effort,
  { literalBytes, referenceBytes, blockBytes }: Readonly<Record<'literalBytes' | 'referenceBytes' | 'blockBytes', number>>,
): number {
  const most = Math.max(ALWAYS_NANOSECONDS, blockBytes * NANOSECONDS_PER_BLOCK_BYTE)
  const fits = ({ nanosecondsPerByte }: LiteralLevel): boolean =>
    referenceBytes <= TREE_REFERENCE_BYTES && nanosecondsPerByte * (literalBytes + referenceBytes) <= most
  return (literalLevels.find(fits) ?? literalLevels.at(-1))?.level ?? zstdLevel
}
