import type { Image } from './image.js'
import { countChanged, isChanged, OUTCOMES } from './outcomes.js'
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

/** The old content of changed pages, one after the other; zeros where there is none. */
export function gatherOld(image: RegionImage, pages: Uint32Array, outcomes: Uint8Array): Buffer {
  const old = Buffer.allocUnsafeSlow(countChanged(outcomes) * image.pageBytes)
  let end = 0
  for (const [index, page] of pages.entries()) {
    if (!isChanged(outcomes[index])) continue
    const next = end + image.pageBytes
    if (outcomes[index] !== OUTCOMES.delta || !image.hasContent(page)) old.fill(0, end, next)
    else image.read(page, old, end)
    end = next
  }
  return old
}

/** The pages of the image with these numbers, counted through, one after the other. */
export function gatherSources(image: Image, sources: Uint32Array, pageBytes: number): Buffer {
  const pages = Buffer.alloc(sources.length * pageBytes)
  for (const [index, source] of sources.entries()) image.read(source, pages, index * pageBytes)
  return pages
}
