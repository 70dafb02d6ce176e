import type { PageImage, PageImages, PageRegion } from '@dwcp/native-rdma/codec'

/** What both sides begin with: all of `ground`, or nothing, and `others` to look into. The images stay their owner's. */
export function beginImage(
  images: PageImages,
  layout: readonly PageRegion[],
  ground: PageImage | undefined,
  others: readonly PageImage[],
): PageImage {
  if (ground !== undefined) return ground.fork(layout, others)
  const empty = images.create(layout)
  if (others.length === 0) return empty
  const image = empty.fork(layout, others)
  empty.close()
  return image
}
