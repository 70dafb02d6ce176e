/** What became of a page, as docs/wire/hde.md numbers it. */
export const PAGE_OUTCOMES = { zero: 0, unchanged: 1, duplicate: 2, delta: 3, full: 4 } as const

/** How changed pages are packed, as docs/wire/hde.md numbers it. */
export const PACK_METHODS = { raw: 0, lz4: 1, zstd: 2, pageDelta: 3 } as const
