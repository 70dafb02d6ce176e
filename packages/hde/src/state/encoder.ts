import type { Digest, Encoder, StateChunk } from '@dwcp/interface'
import type { PageImage, PageRegion } from '@dwcp/native-rdma/codec'
import { pastLimit } from '../errors.js'
import type { Kernels } from '../kernels.js'
import { type Candidate, type Candidates, chooseGround } from './baseline-choice.js'
import { beginImage } from './begin-image.js'
import { beginFrame, FRAME_KINDS, sealFrame } from './frame.js'
import { DEFAULT_DECODE_LIMITS } from './limits.js'
import { encodeOpaque } from './opaque-frame.js'
import { PagesEncoder } from './pages-encoder.js'
import type { Steering } from './payload-choice.js'
import type { Profile } from './profiles.js'
import { writeStart } from './start-frame.js'
import { type PageEncoderStats, Tally } from './tally.js'
import { Turn } from './turn.js'

const NOTHING = new Uint8Array(0)

export interface EncoderParts {
  readonly kernels: () => Promise<Kernels>
  /** Told of each chunk and frame. */
  readonly active: () => void
  readonly profile: () => Profile
  /** Absent where the profile alone decides. */
  readonly steering: Steering | undefined
  readonly layout: readonly PageRegion[]
  /** Whether an image of what the other side holds is kept. */
  readonly hasImage: boolean
  /** What the image may begin as. They are this encoder's to close. */
  readonly candidates: () => Promise<Candidates>
  /** Keeps the image on close. */
  readonly keep: (digest: Digest, image: PageImage | undefined, whole: boolean) => void
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
  #baseline: Digest | undefined
  #siblings: readonly Digest[] = []
  #image: PageImage | undefined
  #kernels: Kernels | undefined
  #pagesEncoder: PagesEncoder | undefined
  #sequence = 0

  constructor(parts: EncoderParts) {
    this.#parts = parts
  }

  async encode(chunk: StateChunk): Promise<readonly Uint8Array[]> {
    checkChunk(chunk, this.#parts.layout)
    this.#parts.active()
    return this.#turn.take(async () => {
      const kernels = this.#kernels ?? (await this.#parts.kernels())
      this.#kernels = kernels
      this.#turn.refuseClosed()
      const frames = this.#sequence === 0 ? [await this.#start(kernels, chunk)] : []
      frames.push(...(chunk.kind === 'pages' ? await this.#pages(kernels, chunk) : await this.#other(kernels, chunk)))
      for (const frame of frames) this.#tally.wireBytes += frame.length
      return frames
    })
  }

  stats(): PageEncoderStats {
    const baseline = this.#baseline
    const choice = this.#parts.steering?.choice.stats()
    const siblings = this.#siblings
    const optional = {
      ...(baseline === undefined ? {} : { baseline }),
      ...(siblings.length === 0 ? {} : { siblings }),
      ...(choice === undefined ? {} : { choice }),
    }
    const stats = { ...this.#tally.stats(), profile: this.#parts.profile().name, ...optional }
    return this.#kernels === undefined ? stats : { ...stats, backends: this.#kernels.backends }
  }

  close(keepAs?: Digest): void {
    const whole = this.#turn.close()
    const image = this.#image
    this.#image = undefined
    this.#pagesEncoder?.close()
    this.#pagesEncoder = undefined
    if (keepAs !== undefined) this.#parts.keep(keepAs, image, whole)
    else image?.close()
  }

  async #start(kernels: Kernels, chunk: StateChunk): Promise<Uint8Array> {
    const { hasImage, layout } = this.#parts
    if (hasImage) {
      const { own, all } = await this.#parts.candidates()
      try {
        const ground = own ?? (await this.#ground(all, chunk))
        this.#turn.refuseClosed()
        // What the image begins as is looked into as well: pages are written over before others turn up that they have moved to.
        const others = own === undefined ? all : []
        this.#baseline = ground?.digest
        this.#siblings = others.map(({ digest }) => digest)
        const looked = others.map(({ image }) => image)
        this.#image = beginImage(kernels.images, layout, ground?.image, looked)
      } finally {
        for (const { image } of all) image.close()
      }
    }
    const head = beginFrame(FRAME_KINDS.start, this.#sequence++)
    writeStart(head, { image: hasImage, baseline: this.#baseline, siblings: this.#siblings }, layout)
    return sealFrame(head.view(), NOTHING, NOTHING, kernels.hash)
  }

  /** Without pages there is nothing to choose another workload's baseline by. */
  async #ground(candidates: readonly Candidate[], chunk: StateChunk): Promise<Candidate | undefined> {
    const { layout } = this.#parts
    return chunk.kind === 'pages' ? chooseGround(candidates, chunk, layout, layout[chunk.region]?.pageBytes ?? 1) : undefined
  }

  async #pages(kernels: Kernels, chunk: Extract<StateChunk, { kind: 'pages' }>): Promise<readonly Uint8Array[]> {
    const pageBytes = this.#parts.layout[chunk.region]?.pageBytes ?? 1
    this.#pagesEncoder ??= new PagesEncoder(kernels, this.#parts.profile, this.#image, this.#tally, this.#parts.steering)
    this.#tally.rawBytes += chunk.bytes.length
    const frames: Uint8Array[] = []
    for (let first = 0; first < chunk.pages.length; ) {
      const pages = chunk.pages.subarray(first)
      const list = { region: chunk.region, pageBytes, pages, bytes: chunk.bytes.subarray(first * pageBytes) }
      const { frame, count } = await this.#pagesEncoder.encode(list, this.#sequence++)
      frames.push(frame)
      // At least one page each time.
      first += count
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
    if (chunk.kind === 'stopped') this.#parts.steering?.choice.lastRound()
    const head = beginFrame(FRAME_KINDS[chunk.kind], this.#sequence++)
    if (chunk.kind === 'round') {
      head.float64(chunk.remainingBytes)
      head.float64(chunk.dirtyBytesPerSecond)
    }
    if (chunk.kind === 'final') head.text(chunk.digest)
    return [sealFrame(head.view(), NOTHING, NOTHING, kernels.hash)]
  }
}

/** A driver that breaks the contract of `StateChunk` must hear of it here, not from the decoder on another machine. */
function checkChunk(chunk: StateChunk, layout: readonly PageRegion[]): void {
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
