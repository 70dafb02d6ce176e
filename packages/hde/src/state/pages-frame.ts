import type { PageRegion } from '@dwcp/native-rdma/codec'
import type { ByteReader } from '../byte-reader.js'
import type { ByteWriter } from '../byte-writer.js'
import { corrupt, pastLimit } from '../errors.js'
import { PAGE_DELTA } from '../packing.js'
import { countChanged, OUTCOME_NAMES, OUTCOMES } from './outcomes.js'

/** The head of a frame of kind `pages`: which pages, what became of each, and where equal ones are. */
export interface PagesHead {
  readonly region: number
  /** Ascending. */
  readonly pages: Uint32Array
  /** One code a page. */
  readonly outcomes: Uint8Array
  /** For each duplicate, in order, the page that it equals, counted through. */
  readonly references: Uint32Array
  /** How the payload is packed; of no meaning where no page is changed. */
  readonly method: number
  /** Pages of the image that content moved out of, counted through; only where the payload is a page delta. */
  readonly sources: Uint32Array
}

export function writePagesHead(head: ByteWriter, { region, pages, outcomes, references, method, sources }: PagesHead): void {
  head.varint(region)
  head.varint(pages.length)
  let end = 0
  for (let index = 0; index < pages.length; ) {
    const first = pages[index] ?? 0
    let count = 1
    while (index + count < pages.length && pages[index + count] === first + count) count += 1
    head.varint(first - end)
    head.varint(count - 1)
    end = first + count
    index += count
  }
  for (let index = 0; index < outcomes.length; ) {
    const outcome = outcomes[index] ?? 0
    let count = 1
    while (index + count < outcomes.length && outcomes[index + count] === outcome) count += 1
    head.varint((count - 1) * 8 + outcome)
    index += count
  }
  writeNumbers(head, references)
  if (countChanged(outcomes) === 0) return
  head.byte(method)
  if (method !== PAGE_DELTA) return
  head.varint(sources.length)
  writeNumbers(head, sources)
}

function writeNumbers(head: ByteWriter, numbers: Uint32Array): void {
  let expected = 0
  for (const number of numbers) {
    head.zigzag(number - expected)
    expected = number + 1
  }
}

/** Checks every number before anything of its size is allocated. */
export function readPagesHead(
  reader: ByteReader,
  layout: readonly PageRegion[],
  { endNumber, chunkBytes }: { readonly endNumber: number; readonly chunkBytes: number },
): PagesHead {
  const region = reader.varint()
  const shape = layout[region]
  if (shape === undefined) throw corrupt(`region ${region} of ${layout.length}`)
  const count = reader.varint()
  if (count > shape.maxPages) throw corrupt(`${count} pages of a region of ${shape.maxPages}`)
  if (count * shape.pageBytes > chunkBytes) {
    throw pastLimit('the length of the pages of a frame', count * shape.pageBytes, chunkBytes, 'raise limits.chunkBytes')
  }
  const pages = readPageNumbers(reader, count, shape.maxPages)
  const outcomes = readOutcomes(reader, count)
  const duplicates = outcomes.reduce((sum, outcome) => sum + (outcome === OUTCOMES.duplicate ? 1 : 0), 0)
  const references = readNumbers(reader, duplicates, endNumber)
  const changed = countChanged(outcomes)
  const method = changed > 0 ? reader.byte() : 0
  const sources = method === PAGE_DELTA ? readSources(reader, changed, endNumber) : new Uint32Array(0)
  return { region, pages, outcomes, references, method, sources }
}

function readPageNumbers(reader: ByteReader, count: number, maxPages: number): Uint32Array {
  const pages = new Uint32Array(count)
  let end = 0
  for (let index = 0; index < count; ) {
    const first = end + reader.varint()
    const length = reader.varint() + 1
    if (first + length > maxPages) throw corrupt(`page ${first + length - 1} of a region of ${maxPages}`)
    if (length > count - index) throw corrupt('a run of pages longer than the list')
    for (let offset = 0; offset < length; offset += 1) pages[index + offset] = first + offset
    end = first + length
    index += length
  }
  return pages
}

function readOutcomes(reader: ByteReader, count: number): Uint8Array {
  const outcomes = new Uint8Array(count)
  for (let index = 0; index < count; ) {
    const run = reader.varint()
    const outcome = run % 8
    const length = Math.floor(run / 8) + 1
    if (outcome >= OUTCOME_NAMES.length) throw corrupt(`outcome ${outcome}`)
    if (length > count - index) throw corrupt('a run of outcomes longer than the list')
    outcomes.fill(outcome, index, index + length)
    index += length
  }
  return outcomes
}

/** No more than pages are changed: what they take is bounded by the chunk. */
function readSources(reader: ByteReader, changed: number, endNumber: number): Uint32Array {
  const count = reader.varint()
  if (count > changed) throw corrupt(`${count} pages to help with ${changed}`)
  return readNumbers(reader, count, endNumber)
}

/** @param endNumber - Numbers below it, counted through, name pages of the image. */
function readNumbers(reader: ByteReader, count: number, endNumber: number): Uint32Array {
  const numbers = new Uint32Array(count)
  let expected = 0
  for (let index = 0; index < count; index += 1) {
    const number = expected + reader.zigzag()
    if (number < 0 || number >= endNumber) throw corrupt(`a reference to page ${number} of ${endNumber}`)
    numbers[index] = number
    expected = number + 1
  }
  return numbers
}
