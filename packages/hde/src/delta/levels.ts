/**
 * - `fast`: the base indexed thinly, longer steps where nothing matches, zstd level 1.
 * - `balanced`: zstd level 3.
 * - `small`: the base indexed densely, zstd level 19.
 *
 * @public
 */
export type DeltaLevel = 'fast' | 'balanced' | 'small'

export interface Effort {
  readonly match: DeltaLevel
  readonly zstdLevel: number
  /** Two to this power of entries fit a core's own cache: a place that is looked up does not wait for memory. */
  readonly tableLogMax: number
}

export const LEVELS: Readonly<Record<DeltaLevel, Effort>> = {
  fast: { match: 'fast', zstdLevel: 1, tableLogMax: 16 },
  balanced: { match: 'balanced', zstdLevel: 3, tableLogMax: 18 },
  small: { match: 'small', zstdLevel: 19, tableLogMax: 22 },
}
