import { TAGS_PER_PAGE } from '@dwcp/native-rdma/codec'
import type { Image } from './image.js'
import { isChanged } from './outcomes.js'

/**
 * Pages of the image, counted through and ascending, out of which content seems to have moved into changed pages: tables that were
 * copied, write-ahead logs, buffers given to somebody else. At most as many as pages are changed.
 *
 * @param tags - Of all pages of the batch.
 * @param oldTags - Of the old content of the changed ones. Pages that keep most of it need no other.
 * @param own - The numbers of the batch's pages, whose old content helps in any case.
 */
export function findSources(
  image: Image,
  pageBytes: number,
  outcomes: Uint8Array,
  tags: Uint32Array,
  oldTags: Uint32Array,
  own: ReadonlySet<number>,
): Uint32Array {
  const found = new Set<number>()
  let changed = 0
  for (const [index, outcome] of outcomes.entries()) {
    if (!isChanged(outcome)) continue
    const now = tagsOf(tags, index)
    const before = tagsOf(oldTags, changed)
    changed += 1
    const fresh = now.filter((tag) => !before.includes(tag))
    if (fresh.length * 2 <= now.length) continue
    for (const tag of fresh) {
      const source = image.findPiece(tag, pageBytes)
      if (source !== undefined && !own.has(source)) found.add(source)
    }
  }
  return Uint32Array.from(found).subarray(0, changed).sort()
}

function tagsOf(tags: Uint32Array, page: number): Uint32Array {
  const all = tags.subarray(page * TAGS_PER_PAGE, (page + 1) * TAGS_PER_PAGE)
  const end = all.indexOf(0)
  return end === -1 ? all : all.subarray(0, end)
}
