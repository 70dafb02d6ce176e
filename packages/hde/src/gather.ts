import { isChanged, OUTCOMES } from './outcomes.js'
import type { RegionImage } from './region-image.js'

/** Copies the changed pages of `bytes` one after the other into `target`, from `targetOffset` on. */
export function gatherChanged(bytes: Buffer, pageBytes: number, outcomes: Uint8Array, target: Buffer, targetOffset: number): void {
  let end = targetOffset
  for (let index = 0; index < outcomes.length; ) {
    if (!isChanged(outcomes[index])) {
      index += 1
      continue
    }
    let after = index + 1
    while (after < outcomes.length && isChanged(outcomes[after])) after += 1
    end += bytes.copy(target, end, index * pageBytes, after * pageBytes)
    index = after
  }
}

/**
 * The old content of changed pages, one after the other.
 *
 * @param aligned - with zeros where a changed page has no old content, so that old and new stand at the same offsets
 */
export function gatherOld(image: RegionImage, pages: Uint32Array, outcomes: Uint8Array, aligned: boolean): Buffer {
  const wanted = pages.filter((_, index) => outcomes[index] === OUTCOMES.delta || (aligned && outcomes[index] === OUTCOMES.full))
  const old = Buffer.alloc(wanted.length * image.pageBytes)
  let end = 0
  for (const [index, page] of pages.entries()) {
    if (outcomes[index] === OUTCOMES.delta) image.read(page, old, end)
    if (outcomes[index] === OUTCOMES.delta || (aligned && outcomes[index] === OUTCOMES.full)) end += image.pageBytes
  }
  return old
}
