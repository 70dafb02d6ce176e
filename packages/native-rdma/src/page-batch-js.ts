import { setImmediate } from 'node:timers/promises'
import { chosenCodecs } from './codec-choice.js'
import { closed } from './errors.js'
import type { PageHash } from './hash-contract.js'
import { encodePageDelta } from './page-delta.js'
import type { OwnedPages, PackedPages, PackOptions, PageBatch, SampledPages, TakenPages, TakeOptions } from './page-image.js'
import type { ScriptPageImage } from './page-image-js.js'
import { PACK_METHODS, PAGE_OUTCOMES } from './page-outcomes.js'

const HASH_BYTES = 16
const NO_BYTES = new Uint8Array()
/** Between two turns of the loop. */
const TURN_BYTES = 1 << 20

interface TakenPage {
  readonly page: number
  readonly now: Buffer
  readonly hash: Buffer
}

interface ChangedPage extends TakenPage {
  /** Undefined where the image has zeros or nothing, or it is not to be used. */
  readonly old: Buffer | undefined
}

/** Written to the image without being in the payload: zeros, or a page that it has elsewhere. */
interface KnownPage {
  readonly page: number
  readonly content: Buffer | undefined
  readonly hash: Buffer
}

/** The twin of PageBatch in native/page_batch.cc. It looks for no pages that content moved out of: its page deltas would not use them. */
export class ScriptPageBatch implements PageBatch {
  readonly #hash: PageHash
  readonly #image: ScriptPageImage | undefined
  #region = 0
  #pageBytes = 1
  #changed: ChangedPage[] = []
  #known: KnownPage[] = []
  #closed = false

  constructor(hash: PageHash, image: ScriptPageImage | undefined) {
    this.#hash = hash
    this.#image = image
  }

  async take({ region, pageBytes, pages, bytes }: OwnedPages, options: TakeOptions): Promise<TakenPages> {
    this.#refuseClosed()
    this.#region = region
    this.#pageBytes = pageBytes
    const [outcomes, references] = [new Uint8Array(pages.length), new Array<number>()]
    const hashes = Buffer.alloc(pages.length * HASH_BYTES)
    const zeros = Buffer.alloc(pageBytes)
    const zeroHash = this.#hash.xxh3_128(zeros)
    const before = this.#changed.length
    let taken = 0
    for (; taken < pages.length && this.#changed.length < options.changedPages; taken += 1) {
      if (taken > 0 && (taken * pageBytes) % TURN_BYTES === 0) {
        await setImmediate()
        this.#refuseClosed()
      }
      // Its owner may be writing to it: from here on the copy counts.
      const now = Buffer.from(new Uint8Array(bytes.subarray(taken * pageBytes, (taken + 1) * pageBytes)).buffer)
      const hash = hashes.subarray(taken * HASH_BYTES, (taken + 1) * HASH_BYTES)
      const isZero = now.equals(zeros)
      hash.set(isZero ? zeroHash : this.#hash.xxh3_128(now))
      const page = { page: pages[taken] ?? 0, now, hash }
      outcomes[taken] = isZero && options.zeros ? this.#takeZero(page) : this.#takePage(page, options, references)
    }
    const changed = this.#changed.length - before
    const described = { hashes: hashes.subarray(0, taken * HASH_BYTES), outcomes: outcomes.subarray(0, taken) }
    return { taken, changed, sources: 0, references: Uint32Array.from(references), ...described }
  }

  sample(mostPages: number): SampledPages {
    this.#refuseClosed()
    const count = Math.min(mostPages, this.#changed.length)
    const chosen = Array.from({ length: count }, (_, each) =>
      count === 1 ? this.#changed[0] : this.#changed[Math.floor((each * (this.#changed.length - 1)) / (count - 1))],
    ).filter((one) => one !== undefined)
    const old = chosen.map((one) => one.old ?? Buffer.alloc(this.#pageBytes))
    return { pages: Buffer.concat(chosen.map(({ now }) => now)), old: Buffer.concat(old) }
  }

  async pack({ method, level, spareBytes }: PackOptions): Promise<PackedPages> {
    this.#refuseClosed()
    const source = Buffer.concat(this.#changed.map(({ now }) => now))
    const packed = await this.#packed(method, level, source)
    this.#refuseClosed()
    const saves = packed.length < source.length
    const payload = saves ? packed : source
    const bytes = new Uint8Array(spareBytes + payload.length + HASH_BYTES)
    bytes.set(payload, spareBytes)
    this.#commit()
    const used = { method: saves ? method : PACK_METHODS.raw, sources: new Uint32Array() }
    return { ...used, bytes, payloadOffset: spareBytes, payloadBytes: payload.length }
  }

  close(): void {
    this.#closed = true
    this.#clear()
  }

  #refuseClosed(): void {
    if (this.#closed) throw closed('a batch of pages')
  }

  #takeZero({ page, hash }: TakenPage): number {
    this.#known.push({ page, content: undefined, hash })
    return PAGE_OUTCOMES.zero
  }

  #takePage({ page, now, hash }: TakenPage, options: TakeOptions, references: number[]): number {
    const image = this.#image
    const memory = image?.memories[this.#region]
    if (memory?.holds(page) === true && memory.equals(page, now, 0)) return PAGE_OUTCOMES.unchanged
    const equal = options.duplicates ? image?.findEqual(hash, 0, now, 0, now.length) : undefined
    if (equal !== undefined) {
      references.push(equal)
      this.#known.push({ page, content: now, hash })
      return PAGE_OUTCOMES.duplicate
    }
    const isDelta = options.delta && memory?.holds(page) === true && memory.hasContent(page)
    const old = isDelta ? Buffer.alloc(now.length) : undefined
    if (old !== undefined) memory?.read(page, old, 0)
    this.#changed.push({ page, now, old, hash })
    return isDelta ? PAGE_OUTCOMES.delta : PAGE_OUTCOMES.full
  }

  async #packed(method: number, level: number, source: Buffer): Promise<Uint8Array> {
    if (method === PACK_METHODS.raw || source.length === 0) return source
    if (method === PACK_METHODS.lz4) return chosenCodecs().lz4.compress(source, NO_BYTES)
    if (method === PACK_METHODS.zstd) return chosenCodecs().zstd.compress(source, level, NO_BYTES)
    const old = this.#changed.map((one) => one.old ?? Buffer.alloc(this.#pageBytes))
    return encodePageDelta(source, Buffer.concat(old), { pageBytes: this.#pageBytes, level })
  }

  #commit(): void {
    for (const { page, now, hash } of this.#changed) this.#image?.write(this.#region, page, now, 0, hash, 0)
    for (const { page, content, hash } of this.#known) {
      if (content === undefined) this.#image?.memories[this.#region]?.writeZeros(page)
      else this.#image?.write(this.#region, page, content, 0, hash, 0)
    }
    this.#clear()
  }

  #clear(): void {
    this.#changed = []
    this.#known = []
  }
}
