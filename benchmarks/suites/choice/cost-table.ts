import { allowedMethods, type Cost, PAGE_METHODS, PageSampler } from '@dwcp/hde/choice'
import { tagPages } from '@dwcp/native-rdma/codec'
import { measureMethod, measureSampling } from './measure.js'
import { type Region, sampleOf } from './regions.js'

/** What a region costs by each method, timed twice: what is chosen on one timing is paid for by the other. */
export interface RegionCosts {
  readonly group: string
  readonly hasOld: boolean
  readonly payloadBytes: number
  readonly features: readonly number[]
  readonly samplingMs: number
  /** Indexes of {@link PAGE_METHODS}; the costs are in this order. */
  readonly allowed: readonly number[]
  readonly first: readonly Cost[]
  readonly second: readonly Cost[]
}

export async function costsOf(region: Region, repeats: number): Promise<RegionCosts> {
  const { group, pages, old } = region
  const allowed = allowedMethods(old.length > 0, true)
  const timing = async (): Promise<readonly Cost[]> => {
    const costs: Cost[] = []
    for (const index of allowed) {
      const method = PAGE_METHODS[index]
      if (method !== undefined) costs.push(await measureMethod(region, method, repeats))
    }
    return costs
  }
  return {
    group,
    hasOld: old.length > 0,
    payloadBytes: pages.length,
    features: [...new PageSampler(tagPages).of(sampleOf(region))],
    samplingMs: await measureSampling(region, repeats),
    allowed,
    first: await timing(),
    second: await timing(),
  }
}
