/**
 * One way to pack the changed pages of a batch: as they are, by a codec, or by what changed in them.
 *
 * @public
 */
export interface PageMethod {
  readonly name: string
  readonly kind: 'raw' | 'lz4' | 'zstd' | 'delta'
  /** Of zstd; 0 where there is none: a `delta` of level 0 holds changed words as they are. */
  readonly level: number
}

const method = (name: string, kind: PageMethod['kind'], level: number): PageMethod => ({ name, kind, level })

/**
 * What a model chooses from, in the order of its outputs. Of the levels up to 9 these lose 0.1 % at most against having all.
 *
 * @public
 */
export const PAGE_METHODS: readonly PageMethod[] = [
  method('raw', 'raw', 0),
  method('lz4', 'lz4', 0),
  method('zstd -5', 'zstd', -5),
  method('zstd 1', 'zstd', 1),
  method('zstd 3', 'zstd', 3),
  method('zstd 6', 'zstd', 6),
  method('zstd 9', 'zstd', 9),
  method('delta 0', 'delta', 0),
  method('delta -5', 'delta', -5),
  method('delta 1', 'delta', 1),
  method('delta 3', 'delta', 3),
  method('delta 9', 'delta', 9),
]

/**
 * The methods that a batch allows.
 *
 * @param oldPages - Whether the other side has an earlier version.
 * @public
 */
export function allowedMethods(oldPages: boolean, zstd: boolean): readonly number[] {
  return [...PAGE_METHODS.keys()].filter((index) => {
    const { kind, level } = PAGE_METHODS[index] ?? {}
    return (level === 0 || zstd) && (kind !== 'delta' || oldPages)
  })
}

/**
 * The same work where the other side has nothing: what a page delta of this level becomes.
 *
 * @returns an index of {@link PAGE_METHODS}.
 * @public
 */
export function withoutOldContent(index: number): number {
  const { kind, level = 0 } = PAGE_METHODS[index] ?? {}
  if (kind !== 'delta') return index
  return PAGE_METHODS.findIndex((other) => other.kind === (level === 0 ? 'raw' : 'zstd') && other.level === level)
}
