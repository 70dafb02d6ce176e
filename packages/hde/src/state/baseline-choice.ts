import type { Digest, StateChunk } from '@dwcp/interface'
import type { PageImage, PageRegion } from '@dwcp/native-rdma/codec'
import { fits } from './fits.js'

/** Of the first pages of a workload, at even distances: what a sibling is chosen by. */
const SAMPLE_PAGES = 256

/** A baseline that both sides hold, copied: it stays as it is while others go. */
export interface Candidate {
  readonly digest: Digest
  readonly image: PageImage
}

/** Several of other workloads, or one of the same. */
export interface Candidates {
  readonly all: readonly Candidate[]
  /** To be taken whatever the pages are. */
  readonly own: Candidate | undefined
}

/** The baseline that has most of these pages, at whatever address, of those that the regions fit: pages that are alike are often at the same one. */
export async function chooseGround(
  candidates: readonly Candidate[],
  { pages, bytes }: Extract<StateChunk, { kind: 'pages' }>,
  layout: readonly PageRegion[],
  pageBytes: number,
): Promise<Candidate | undefined> {
  const sample = sampleOf(bytes, pages.length, pageBytes)
  let best: { readonly candidate: Candidate; readonly known: number } | undefined
  for (const candidate of candidates.filter(({ image }) => fits(image, layout))) {
    const known = await candidate.image.countKnown(sample, pageBytes)
    if (known > (best?.known ?? 0)) best = { candidate, known }
  }
  return best?.candidate
}

function sampleOf(bytes: Uint8Array, count: number, pageBytes: number): Uint8Array {
  const taken = Math.min(SAMPLE_PAGES, count)
  const sample = new Uint8Array(taken * pageBytes)
  for (let index = 0; index < taken; index += 1) {
    const page = Math.floor((index * count) / taken)
    sample.set(bytes.subarray(page * pageBytes, (page + 1) * pageBytes), index * pageBytes)
  }
  return sample
}
