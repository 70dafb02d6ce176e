import { DwcpError, type Region } from '@dwcp/interface'
import type { PageRegion } from '@dwcp/native-rdma/codec'
import { type HdeErrorCode, pastLimit } from '../errors.js'

const PAGE_BYTES_MIN = 64
/** A page must fit into a frame of the default limits, uncompressed. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024
const REGIONS_MAX = 1024
/** Page numbers travel and are indexed as unsigned 32-bit integers. */
export const PAGES_MAX: number = 2 ** 32 - 2

/**
 * The regions both sides agreed on, with their pages counted through, so that one number names any page of the workload.
 *
 * @throws `ERR_HDE_LIMIT` for regions that this format cannot describe.
 */
export function layOut(regions: readonly Region[]): readonly PageRegion[] {
  if (regions.length > REGIONS_MAX) throw pastLimit('the number of regions', regions.length, REGIONS_MAX, 'use fewer, larger regions')
  let firstPage = 0
  return regions.map(({ pageBytes, maxLengthBytes }) => {
    if (!Number.isSafeInteger(Math.log2(pageBytes)) || pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX) {
      throw badRegion(`pageBytes is ${pageBytes}: it must be a power of two from ${PAGE_BYTES_MIN} to ${PAGE_BYTES_MAX}`)
    }
    if (!Number.isSafeInteger(maxLengthBytes) || maxLengthBytes < 0) {
      throw badRegion(`maxLengthBytes is ${maxLengthBytes}: it must be a whole number up to 2^53 - 1`)
    }
    const shape = { pageBytes, maxPages: Math.floor(maxLengthBytes / pageBytes), firstPage }
    firstPage += shape.maxPages
    if (firstPage > PAGES_MAX) throw pastLimit('the number of pages of all regions', firstPage, PAGES_MAX, 'use larger pages')
    return shape
  })
}

function badRegion(text: string): DwcpError<HdeErrorCode> {
  return new DwcpError('ERR_HDE_LIMIT', `a region whose ${text}`)
}
