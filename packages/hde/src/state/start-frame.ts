import type { Digest } from '@dwcp/interface'
import type { PageRegion } from '@dwcp/native-rdma/codec'
import type { ByteReader } from '../byte-reader.js'
import type { ByteWriter } from '../byte-writer.js'
import { corrupt } from '../errors.js'

export interface Start {
  /** Whether both sides keep an image of what flows. */
  readonly image: boolean
  readonly baseline: Digest | undefined
}

export function writeStart(head: ByteWriter, start: Start, layout: readonly PageRegion[]): void {
  head.byte(start.image ? 1 : 0)
  head.varint(layout.length)
  for (const { pageBytes, maxPages } of layout) {
    head.byte(Math.log2(pageBytes))
    head.varint(maxPages)
  }
  head.text(start.baseline ?? '')
}

/** Throws unless the encoder was made for the same regions. */
export function readStart(reader: ByteReader, layout: readonly PageRegion[]): Start {
  const flags = reader.byte()
  if (flags > 1) throw corrupt(`flags ${flags} in a start frame`)
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
  reader.end()
  const image = flags === 1
  if (!image && baseline !== undefined) throw corrupt('a baseline in a stream without image')
  return { image, baseline }
}
