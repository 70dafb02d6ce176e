import type { ChunkSizes, DigestKind } from '@dwcp/native-rdma/chunk'

export type { DigestKind } from '@dwcp/native-rdma/chunk'

/**
 * - `content`: chunks of 2 to 64 KiB, 8 KiB asked for, cut where the content says so: files, archives, whatever moves by any distance.
 * - `pages`: 4 KiB each: memories and disk images, where content moves by whole pages.
 *
 * @public
 */
export type ChunkMode = 'content' | 'pages'

export const MODE_SIZES: Readonly<Record<ChunkMode, ChunkSizes>> = {
  content: { leastBytes: 2048, averageBytes: 8192, mostBytes: 65_536 },
  pages: { leastBytes: 4096, averageBytes: 4096, mostBytes: 4096 },
}

/** What a missing chunk is looked at again by. Not below: each costs its tag. */
export const PIECE_SIZES: ChunkSizes = { leastBytes: 128, averageBytes: 512, mostBytes: 4096 }

/** The numbers are those of docs/wire/chunks.md. */
export const MODE_CODES: Readonly<Record<ChunkMode, number>> = { content: 1, pages: 2 }
export const DIGEST_CODES: Readonly<Record<DigestKind, number>> = { 'xxh3-128': 1, blake3: 2 }
export const DIGEST_BYTES: Readonly<Record<DigestKind, number>> = { 'xxh3-128': 16, blake3: 32 }

export function modeOf(code: number): ChunkMode | undefined {
  return code === MODE_CODES.content ? 'content' : code === MODE_CODES.pages ? 'pages' : undefined
}

export function digestKindOf(code: number): DigestKind | undefined {
  return code === DIGEST_CODES['xxh3-128'] ? 'xxh3-128' : code === DIGEST_CODES.blake3 ? 'blake3' : undefined
}
