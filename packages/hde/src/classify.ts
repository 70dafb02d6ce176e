import { HASH_BYTES } from './frame.js'
import type { Image } from './image.js'
import { OUTCOMES } from './outcomes.js'
import type { PageHashes } from './page-hashes.js'
import type { Profile } from './profiles.js'

/** Pages of one region. */
export interface PageBatch {
  readonly region: number
  readonly pageBytes: number
  readonly pages: Uint32Array
  /** The pages, one after the other. */
  readonly bytes: Buffer
}

export interface Classified {
  readonly outcomes: Uint8Array
  readonly references: Uint32Array
  /** 16 bytes a page. */
  readonly hashes: Buffer
}

/**
 * What is to become of each page, given what the other side held before this frame: `image` is only read.
 *
 * @param written - Pages, counted through, that are in this frame already: the other side has them only after it.
 */
export function classify(
  batch: PageBatch,
  image: Image | undefined,
  profile: Profile,
  pageHashes: PageHashes,
  written: ReadonlySet<number>,
): Classified {
  const { region, pageBytes, pages, bytes } = batch
  const outcomes = new Uint8Array(pages.length).fill(OUTCOMES.full)
  if (profile.zeros) markZeros(outcomes, bytes, pageBytes)
  const hashes = pageHashes.of(bytes, pageBytes, outcomes)
  const references: number[] = []
  const held = image?.regions[region]
  if (image === undefined || held === undefined) return { outcomes, references: new Uint32Array(0), hashes }
  for (const [index, page] of pages.entries()) {
    if (outcomes[index] === OUTCOMES.zero) continue
    const offset = index * pageBytes
    if (held.holds(page) && held.equals(page, bytes, offset)) {
      outcomes[index] = OUTCOMES.unchanged
      continue
    }
    const equal = profile.duplicates ? image.findEqual(hashes, index * HASH_BYTES, bytes, offset, pageBytes) : undefined
    if (equal !== undefined && !written.has(equal)) {
      outcomes[index] = OUTCOMES.duplicate
      references.push(equal)
    } else if (profile.delta && held.holds(page) && held.hasContent(page)) {
      outcomes[index] = OUTCOMES.delta
    }
  }
  return { outcomes, references: Uint32Array.from(references), hashes }
}

function markZeros(outcomes: Uint8Array, bytes: Buffer, pageBytes: number): void {
  const zeros = Buffer.alloc(pageBytes)
  for (let index = 0; index < outcomes.length; index += 1) {
    const offset = index * pageBytes
    // Most pages that are not zero show it in their first words; asking native code costs more than looking.
    if (bytes[offset] !== 0 || bytes[offset + 1] !== 0 || bytes[offset + 4] !== 0 || bytes[offset + 8] !== 0) continue
    if (bytes.compare(zeros, 0, pageBytes, offset, offset + pageBytes) === 0) outcomes[index] = OUTCOMES.zero
  }
}
