import { TAGS_PER_PAGE } from '@dwcp/native-rdma/codec'
import { HASH_BYTES } from './frame.js'
import type { Image } from './image.js'
import { OUTCOMES } from './outcomes.js'

/** Pages as the other side will have them, or has sent them. */
export interface DescribedPages {
  readonly region: number
  readonly pageBytes: number
  readonly pages: Uint32Array
  /** The pages, one after the other. */
  readonly bytes: Buffer
  readonly outcomes: Uint8Array
  /** 16 bytes a page. */
  readonly hashes: Buffer
}

/** Brings `image` to what the side has that decodes. `tags` as `tagPages` gives them for the pages. */
export function applyBatch({ region, pageBytes, pages, bytes, outcomes, hashes }: DescribedPages, tags: Uint32Array, image: Image): void {
  for (const [index, page] of pages.entries()) {
    if (outcomes[index] === OUTCOMES.unchanged) continue
    if (outcomes[index] === OUTCOMES.zero) {
      image.regions[region]?.writeZeros(page)
      continue
    }
    const pageTags = tags.subarray(index * TAGS_PER_PAGE, (index + 1) * TAGS_PER_PAGE)
    image.write(region, page, bytes, index * pageBytes, hashes, index * HASH_BYTES, pageTags)
  }
}
