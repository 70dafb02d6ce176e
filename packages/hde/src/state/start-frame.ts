import type { Digest } from '@dwcp/interface'
import type { PageRegion } from '@dwcp/native-rdma/codec'
import type { ByteReader } from '../byte-reader.js'
import type { ByteWriter } from '../byte-writer.js'
import { corrupt } from '../errors.js'

export interface Start {
  /** Whether both sides keep an image of what flows. */
  readonly image: boolean
  readonly baseline: Digest | undefined
  /** Baselines of other workloads that pages are looked for in as well. */
  readonly siblings: readonly Digest[]
}

/** Of siblings: each makes the index larger. */
export const SIBLINGS_MAX = 16
const IMAGE = 1
const SIBLINGS = 2

export function writeStart(head: ByteWriter, start: Start, layout: readonly PageRegion[]): void {
  head.byte((start.image ? IMAGE : 0) | (start.siblings.length > 0 ? SIBLINGS : 0))
  head.varint(layout.length)
  for (const { pageBytes, maxPages } of layout) {
    head.byte(Math.log2(pageBytes))
    head.varint(maxPages)
  }
  head.text(start.baseline ?? '')
  if (start.siblings.length === 0) return
  head.varint(start.siblings.length)
  for (const sibling of start.siblings) head.text(sibling)
}

/** Throws unless the encoder was made for the same regions. */
export function readStart(reader: ByteReader, layout: readonly PageRegion[]): Start {
  const flags = reader.byte()
  if (flags > (IMAGE | SIBLINGS)) throw corrupt(`flags ${flags} in a start frame`)
  const regions = reader.varint()
  if (regions !== layout.length) throw corrupt(`the encoder describes ${regions} regions, this decoder was made for ${layout.length}`)
  for (const [region, { pageBytes, maxPages }] of layout.entries()) {
    const pageBytesLog2 = reader.byte()
    const pages = reader.varint()
    if (2 ** pageBytesLog2 !== pageBytes || pages !== maxPages) {
      throw corrupt(
        `region ${region} has up to ${pages} pages of 2^${pageBytesLog2} bytes for the encoder, ${maxPages} of ${pageBytes} here`,
      )
    }
  }
  const baseline = reader.digest()
  const siblings = (flags & SIBLINGS) === 0 ? [] : readSiblings(reader)
  reader.end()
  const image = (flags & IMAGE) !== 0
  if (!image && (baseline !== undefined || siblings.length > 0)) throw corrupt('a baseline in a stream without image')
  return { image, baseline, siblings }
}

function readSiblings(reader: ByteReader): readonly Digest[] {
  const count = reader.varint()
  if (count < 1 || count > SIBLINGS_MAX) throw corrupt(`${count} siblings: 1 to ${SIBLINGS_MAX} can be named`)
  return Array.from({ length: count }, () => {
    const sibling = reader.digest()
    if (sibling === undefined) throw corrupt('a sibling without digest')
    return sibling
  })
}
