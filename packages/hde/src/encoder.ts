import { setImmediate } from 'node:timers/promises'
import type { Digest, Encoder, StateChunk } from '@dwcp/interface'
import type { PageBatch } from './classify.js'
import { pastLimit } from './errors.js'
import { beginFrame, FRAME_KINDS, sealFrame } from './frame.js'
import type { Image } from './image.js'
import type { Kernels } from './kernels.js'
import type { RegionShape } from './layout.js'
import { BATCH_BYTES, DEFAULT_DECODE_LIMITS, IMAGE_BATCH_BYTES } from './limits.js'
import { encodeOpaque } from './opaque-frame.js'
import { PagesEncoder } from './pages-encoder.js'
import type { Profile } from './profiles.js'
import { writeStart } from './start-frame.js'
import { type PageEncoderStats, Tally } from './tally.js'
import { Turn } from './turn.js'

const NOTHING = new Uint8Array(0)

export interface EncoderParts {
  readonly kernels: () => Promise<Kernels>
  readonly profile: () => Profile
  readonly layout: readonly RegionShape[]
  /** What the other side holds, to be written to; absent where the profile keeps none. */
  readonly image: Image | undefined
  /** The baseline that `image` began as. */
  readonly baseline: Digest | undefined
  /** Keeps the image on close. */
  readonly keep: (digest: Digest, image: Image | undefined, whole: boolean) => void
}

/**
 * The encoder of this package: {@link Encoder}, with what it tells in `stats`. The bytes of a chunk are borrowed until the promise
 * settles; if they change meanwhile, either version of a page may be sent, and both sides still agree on which.
 *
 * @public
 */
export interface PageEncoder extends Encoder {
  stats(): PageEncoderStats
}

export class StateEncoder implements PageEncoder {
  readonly #parts: EncoderParts
  readonly #turn = new Turn('encoder')
  readonly #tally = new Tally()
  #image: Image | undefined
  #kernels: Kernels | undefined
  #pagesEncoder: PagesEncoder | undefined
  #sequence = 0

  constructor(parts: EncoderParts) {
    this.#parts = parts
    this.#image = parts.image
  }

  async encode(chunk: StateChunk): Promise<readonly Uint8Array[]> {
    checkChunk(chunk, this.#parts.layout)
    return this.#turn.take(async () => {
      const kernels = this.#kernels ?? (await this.#parts.kernels())
      this.#kernels = kernels
      const frames = this.#sequence === 0 ? [this.#start(kernels)] : []
      frames.push(...(chunk.kind === 'pages' ? await this.#pages(kernels, chunk) : await this.#other(kernels, chunk)))
      for (const frame of frames) this.#tally.wireBytes += frame.length
      return frames
    })
  }

  stats(): PageEncoderStats {
    const { profile, baseline } = this.#parts
    const stats = { ...this.#tally.stats(), profile: profile().name, ...(baseline === undefined ? {} : { baseline }) }
    return this.#kernels === undefined ? stats : { ...stats, backends: this.#kernels.backends }
  }

  close(keepAs?: Digest): void {
    const whole = this.#turn.close()
    const image = this.#image
    this.#image = undefined
    this.#pagesEncoder = undefined
    if (keepAs !== undefined) this.#parts.keep(keepAs, image, whole)
  }

  #start(kernels: Kernels): Uint8Array {
    const head = beginFrame(FRAME_KINDS.start, this.#sequence++)
    writeStart(head, { image: this.#image !== undefined, baseline: this.#parts.baseline }, this.#parts.layout)
    return sealFrame(head.view(), NOTHING, NOTHING, kernels.hash)
  }

  async #pages(kernels: Kernels, chunk: Extract<StateChunk, { kind: 'pages' }>): Promise<readonly Uint8Array[]> {
    const pageBytes = this.#parts.layout[chunk.region]?.pageBytes ?? 1
    this.#pagesEncoder ??= new PagesEncoder(kernels, this.#parts.profile, this.#image, this.#tally)
    this.#tally.rawBytes += chunk.bytes.length
    const frames: Uint8Array[] = []
    const batchBytes = this.#image === undefined ? BATCH_BYTES : IMAGE_BATCH_BYTES
    for (const batch of batches(chunk, pageBytes, batchBytes)) {
      // Raw and zero pages need no thread: without a turn of the loop a long chunk would hold up everything else.
      if (frames.length > 0) await setImmediate()
      frames.push(await this.#pagesEncoder.encode(batch, this.#sequence++))
    }
    return frames
  }

  async #other(kernels: Kernels, chunk: Exclude<StateChunk, { kind: 'pages' }>): Promise<readonly Uint8Array[]> {
    if (chunk.kind === 'opaque') {
      this.#tally.rawBytes += chunk.bytes.length
      const frames = await encodeOpaque(kernels, chunk.bytes, this.#parts.profile().levelFull, this.#sequence, ({ method, bytes }) =>
        this.#tally.payload(method, bytes.length),
      )
      this.#sequence += frames.length
      return frames
    }
    const head = beginFrame(FRAME_KINDS[chunk.kind], this.#sequence++)
    if (chunk.kind === 'round') {
      head.float64(chunk.remainingBytes)
      head.float64(chunk.dirtyBytesPerSecond)
    }
    if (chunk.kind === 'final') head.text(chunk.digest)
    return [sealFrame(head.view(), NOTHING, NOTHING, kernels.hash)]
  }
}

function* batches(
  { region, pages, bytes }: Extract<StateChunk, { kind: 'pages' }>,
  pageBytes: number,
  batchBytes: number,
): Generator<PageBatch> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const batchPages = Math.max(1, batchBytes / pageBytes)
  for (let first = 0; first < pages.length; first += batchPages) {
    const end = Math.min(pages.length, first + batchPages)
    yield { region, pageBytes, pages: pages.subarray(first, end), bytes: all.subarray(first * pageBytes, end * pageBytes) }
  }
}

/** A driver that breaks the contract of `StateChunk` must hear of it here, not from the decoder on another machine. */
function checkChunk(chunk: StateChunk, layout: readonly RegionShape[]): void {
  if (chunk.kind === 'opaque' && chunk.bytes.length > DEFAULT_DECODE_LIMITS.chunkBytes) {
    throw pastLimit('the length of opaque state', chunk.bytes.length, DEFAULT_DECODE_LIMITS.chunkBytes, 'emit it in several chunks')
  }
  if (chunk.kind === 'round' && !(chunk.remainingBytes >= 0 && chunk.dirtyBytesPerSecond >= 0)) {
    throw new RangeError(`a round with ${chunk.remainingBytes} bytes remaining, ${chunk.dirtyBytesPerSecond} dirtied a second`)
  }
  if (chunk.kind !== 'pages') return
  const shape = layout[chunk.region]
  if (shape === undefined) throw new RangeError(`pages of region ${chunk.region}, and there are ${layout.length} regions`)
  if (chunk.bytes.length !== chunk.pages.length * shape.pageBytes) {
    throw new RangeError(`${chunk.bytes.length} bytes for ${chunk.pages.length} pages of ${shape.pageBytes}`)
  }
  let last = -1
  for (const page of chunk.pages) {
    if (page <= last || page >= shape.maxPages)
      throw new RangeError(`page ${page} after ${last} in a region of ${shape.maxPages}: not ascending, or not there`)
    last = page
  }
}
