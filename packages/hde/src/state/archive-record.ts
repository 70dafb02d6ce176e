import type { PageImage, PageRegion } from '@dwcp/native-rdma/codec'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import type { DeltaBase } from '../delta/base.js'
import { corrupt, foreignVersion } from '../errors.js'
import { layOut } from './layout.js'

const MAGIC = new TextEncoder().encode('DWCPimag')
const VERSION = 1
/** Pages behind it begin where chunks of a store do. */
const ALIGN_BYTES = 4096
/** Of as many regions as there can be. */
const MOST_BYTES = 16 * 1024

/** What an image that is kept as an object begins with: which regions it has, and how far each was ever written. */
export interface ImageRecord {
  readonly regions: readonly PageRegion[]
  readonly endPages: readonly number[]
  /** Of the record: the pages of the regions follow, one region after the other. */
  readonly lengthBytes: number
}

export function writeRecord(image: PageImage): Uint8Array {
  const writer = new ByteWriter()
  writer.bytes(MAGIC)
  writer.byte(VERSION)
  writer.varint(image.regions.length)
  for (const [region, { pageBytes, maxPages }] of image.regions.entries()) {
    writer.byte(Math.log2(pageBytes))
    writer.varint(maxPages)
    writer.varint(image.endPage(region))
  }
  const record = new Uint8Array(Math.ceil(writer.view().length / ALIGN_BYTES) * ALIGN_BYTES)
  record.set(writer.view())
  return record
}

/** @throws `ERR_HDE_CORRUPT`, `ERR_HDE_VERSION`, `ERR_HDE_LIMIT` for what {@link writeRecord} did not write. */
export async function readRecord(base: DeltaBase): Promise<ImageRecord> {
  const reader = new ByteReader(await base.read(0, Math.min(base.lengthBytes, MOST_BYTES)), 0)
  if (Buffer.compare(reader.take(MAGIC.length), MAGIC) !== 0) throw corrupt('an object that is no image of a memory')
  const version = reader.byte()
  if (version !== VERSION) throw foreignVersion('an image of a memory', version, VERSION)
  const count = reader.varint()
  const endPages: number[] = []
  const shapes: { readonly pageBytes: number; readonly maxLengthBytes: number; readonly lengthBytes: number }[] = []
  // Bounded by the bytes that were read: each takes three of them.
  while (shapes.length < count) {
    const pageBytes = 2 ** reader.byte()
    const maxLengthBytes = reader.varint() * pageBytes
    const endPage = reader.varint()
    shapes.push({ pageBytes, maxLengthBytes, lengthBytes: maxLengthBytes })
    if (endPage * pageBytes > maxLengthBytes) throw corrupt(`a region written up to page ${endPage}, past its end`)
    endPages.push(endPage)
  }
  const lengthBytes = Math.ceil(reader.offset / ALIGN_BYTES) * ALIGN_BYTES
  const pagesBytes = shapes.reduce((sum, { pageBytes }, region) => sum + pageBytes * (endPages[region] ?? 0), 0)
  if (base.lengthBytes !== lengthBytes + pagesBytes) throw corrupt('an image of a memory with more or fewer pages than it says')
  return { regions: layOut(shapes), endPages, lengthBytes }
}
