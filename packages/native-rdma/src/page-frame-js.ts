import { setImmediate } from 'node:timers/promises'
import { isDwcpError } from '@dwcp/interface'
import { chosenCodecs } from './codec-choice.js'
import { closed, corrupt } from './errors.js'
import type { PageHash } from './hash-contract.js'
import { applyPageDelta } from './page-delta.js'
import type { PageFrame, PageReader } from './page-image.js'
import type { ScriptPageImage } from './page-image-js.js'
import { PACK_METHODS, PAGE_OUTCOMES } from './page-outcomes.js'
import { requireRoom } from './page-room.js'

const WHAT = 'a frame of pages'
const HASH_BYTES = 16
const NO_BYTES = new Uint8Array()
/** Hashed in one turn of the loop. */
const TURN_BYTES = 1 << 20

/** The twin of FrameReader in native/page_frame.cc. */
export class ScriptPageReader implements PageReader {
  readonly #hash: PageHash
  readonly #image: ScriptPageImage | undefined
  #isClosed = false

  constructor(hash: PageHash, image: ScriptPageImage | undefined) {
    this.#hash = hash
    this.#image = image
  }

  async read(frame: PageFrame, memory?: Uint8Array): Promise<Uint8Array> {
    requireRoom(memory, frame)
    this.#refuseClosed()
    checkReferences(frame, this.#image)
    const changed = await readChanged(frame, this.#image)
    this.#refuseClosed()
    const bytes = Buffer.from(new ArrayBuffer(frame.pages.length * frame.pageBytes))
    fill(frame, this.#image, changed, bytes)
    const hashes = await hashPages(frame, bytes, this.#hash)
    this.#refuseClosed()
    if (frame.check !== undefined) this.#verify(frame.head, hashes, frame.check)
    if (this.#image !== undefined) write(frame, this.#image, bytes, hashes)
    if (memory === undefined) return new Uint8Array(bytes.buffer)
    putInPlace(frame, bytes, memory)
    return NO_BYTES
  }

  close(): void {
    this.#isClosed = true
  }

  #verify(head: Uint8Array, hashes: Uint8Array, check: Uint8Array): void {
    const found = this.#hash.xxh3_128(Buffer.concat([head, hashes]))
    if (Buffer.compare(found, check) !== 0) throw corrupt(WHAT, 'the check does not hold')
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw closed('a reader of pages')
  }
}

function putInPlace({ pages, pageBytes }: PageFrame, bytes: Uint8Array, memory: Uint8Array): void {
  for (const [index, page] of pages.entries()) memory.set(bytes.subarray(index * pageBytes, (index + 1) * pageBytes), page * pageBytes)
}

function isChanged(outcome: number | undefined): boolean {
  return outcome === PAGE_OUTCOMES.delta || outcome === PAGE_OUTCOMES.full
}

function checkReferences({ references, sources, pageBytes }: PageFrame, image: ScriptPageImage | undefined): void {
  for (const number of [...references, ...sources]) {
    const place = image?.locate(number, pageBytes)
    if (place?.memory.holds(place.page) !== true) throw corrupt(WHAT, 'a reference to a page that was never sent')
  }
}

async function readChanged(frame: PageFrame, image: ScriptPageImage | undefined): Promise<Buffer> {
  const { outcomes, pageBytes, method, payload } = frame
  const count = outcomes.reduce((sum, outcome) => sum + (isChanged(outcome) ? 1 : 0), 0)
  if (count === 0) {
    if (payload.length > 0) throw corrupt(WHAT, 'a payload where no page is changed')
    return Buffer.alloc(0)
  }
  if (method === PACK_METHODS.pageDelta) {
    const pages = oldPages(frame, image, count)
    await applyPageDelta(payload, pages, { pageBytes, count })
    return pages
  }
  const plain = await unpack(payload, method, count * pageBytes)
  if (plain.length !== count * pageBytes) throw corrupt(WHAT, 'pages of another length')
  return Buffer.from(plain.buffer, plain.byteOffset, plain.length)
}

/** What a page delta builds on: of each changed page what the image has, zeros where the frame says full, and the sources. */
function oldPages({ region, pageBytes, pages, outcomes, sources }: PageFrame, image: ScriptPageImage | undefined, count: number): Buffer {
  const old = Buffer.alloc((count + sources.length) * pageBytes)
  let end = 0
  for (const [index, page] of pages.entries()) {
    if (!isChanged(outcomes[index])) continue
    if (outcomes[index] === PAGE_OUTCOMES.delta) image?.memories[region]?.read(page, old, end)
    end += pageBytes
  }
  for (const [index, source] of sources.entries()) image?.read(source, pageBytes, old, end + index * pageBytes)
  return old
}

async function unpack(payload: Uint8Array, method: number, lengthBytes: number): Promise<Uint8Array> {
  try {
    if (method === PACK_METHODS.zstd) return await chosenCodecs().zstd.decompress(payload, lengthBytes, NO_BYTES)
    if (method !== PACK_METHODS.lz4) return payload
    // No byte of a block adds more than 255 bytes: what claims more is refused before it is allocated.
    if (lengthBytes / 255 > payload.length) throw corrupt(WHAT, `${payload.length} bytes cannot hold ${lengthBytes}`)
    return await chosenCodecs().lz4.decompress(payload, lengthBytes, NO_BYTES)
  } catch (error) {
    throw isDwcpError(error, 'ERR_NATIVE_TOO_LARGE') ? corrupt(WHAT, 'its pages are longer than it says', error) : error
  }
}

/** `bytes` holds zeros. */
function fill(frame: PageFrame, image: ScriptPageImage | undefined, changed: Buffer, bytes: Buffer): void {
  const { region, pageBytes, pages, outcomes, references } = frame
  let [nextReference, changedEnd] = [0, 0]
  for (const [index, page] of pages.entries()) {
    const offset = index * pageBytes
    const outcome = outcomes[index]
    if (isChanged(outcome)) changedEnd += changed.copy(bytes, offset, changedEnd, changedEnd + pageBytes)
    if (outcome === PAGE_OUTCOMES.unchanged) image?.memories[region]?.read(page, bytes, offset)
    if (outcome !== PAGE_OUTCOMES.duplicate) continue
    image?.read(references[nextReference] ?? 0, pageBytes, bytes, offset)
    nextReference += 1
  }
}

/** Zero pages, often half of a memory, are hashed once. */
async function hashPages({ outcomes, pageBytes }: PageFrame, bytes: Buffer, hash: PageHash): Promise<Buffer> {
  const hashes = Buffer.alloc(outcomes.length * HASH_BYTES)
  const zero = hash.xxh3_128(new Uint8Array(pageBytes))
  for (const [index, outcome] of outcomes.entries()) {
    const at = index * pageBytes
    if (index > 0 && at % TURN_BYTES === 0) await setImmediate()
    hashes.set(outcome === PAGE_OUTCOMES.zero ? zero : hash.xxh3_128(bytes.subarray(at, at + pageBytes)), index * HASH_BYTES)
  }
  return hashes
}

function write({ region, pageBytes, pages, outcomes }: PageFrame, image: ScriptPageImage, bytes: Buffer, hashes: Buffer): void {
  for (const [index, page] of pages.entries()) {
    if (outcomes[index] === PAGE_OUTCOMES.unchanged) continue
    if (outcomes[index] === PAGE_OUTCOMES.zero) image.memories[region]?.writeZeros(page)
    else image.write(region, page, bytes, index * pageBytes, hashes, index * HASH_BYTES)
  }
}
