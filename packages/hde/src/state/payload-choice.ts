import type { Clock } from '@dwcp/interface'
import type { PackedPages, PackOptions, PageBatch } from '@dwcp/native-rdma/codec'
import type { LiveChoice } from '../choice/live-choice.js'
import type { PageMethod } from '../choice/methods.js'
import type { Kernels } from '../kernels.js'
import { CODECS, PAGE_DELTA, pack } from '../packing.js'
import type { Profile } from './profiles.js'

/** A codec that saves less costs more time than the bytes. */
const WORTHWHILE_RATIO = 0.9
/** On slower links: what zstd makes of noise is a little more than the noise. Page deltas find out on the way. */
const SAVING_RATIO = 0.98
const SAMPLE_BYTES = 64 * 1024
/** After a sample that did not compress, this many payloads go out raw before the next sample, where the link outruns the codec. */
const SAMPLE_PAUSE = 7

/** What a method is chosen by. */
export interface ChangedPages {
  readonly batch: PageBatch
  readonly pageBytes: number
  readonly count: number
  /** Whether the image helps with any of them. */
  readonly hasImage: boolean
  /** What the batch has taken so far. */
  readonly sharedMs: number
}

/** What choosing by costs needs to know of the world. */
export interface Steering {
  readonly choice: LiveChoice
  /** What the link gives to this traffic; undefined or 0 where that is not known. */
  readonly bytesPerSecond: () => number | undefined
  readonly clock: Clock
}

/** Packs the changed pages of a batch: by what methods cost where the link is known, else as its profile says. */
export class PayloadChoice {
  readonly #kernels: Kernels
  readonly #steering: Steering | undefined
  #pause = 0

  constructor(kernels: Kernels, steering: Steering | undefined) {
    this.#kernels = kernels
    this.#steering = steering
  }

  async pack(profile: Profile, changed: ChangedPages, spareBytes: (method: number) => number): Promise<PackedPages> {
    const { batch, count, pageBytes, hasImage, sharedMs } = changed
    const bytesPerSecond = this.#steering?.bytesPerSecond() ?? 0
    // A roll-back to v1 does what v1 did.
    if (this.#steering === undefined || !(bytesPerSecond > 0) || profile.name === 'v1' || count === 0) {
      const options = await this.#byProfile(profile, changed)
      return batch.pack({ ...options, spareBytes: spareBytes(options.method) })
    }
    const { choice, clock } = this.#steering
    const payloadBytes = count * pageBytes
    const chosen = choice.choose(payloadBytes, (most) => ({ ...batch.sample(most), pageBytes, payloadBytes }), {
      bytesPerSecond,
      hasOld: profile.delta && hasImage,
      zstd: this.#kernels.zstdEncodes,
      sharedMs,
    })
    const method = METHODS[chosen.packing.kind]
    const startedMs = clock.monotonicMs()
    const packed = await batch.pack({ method, level: chosen.packing.level, spareBytes: spareBytes(method) })
    choice.learn(chosen, clock.monotonicMs() - startedMs, packed.payloadBytes)
    return packed
  }

  async #byProfile({ codec, levelDelta, levelFull, delta }: Profile, changed: ChangedPages): Promise<Omit<PackOptions, 'spareBytes'>> {
    const raw = { method: CODECS.raw, level: 0 }
    if (changed.count === 0) return raw
    if (codec === 'lz4-if-worth-it') return (await this.#sampleCompresses(changed)) ? { method: CODECS.lz4, level: 0 } : raw
    if (delta && changed.hasImage) return { method: PAGE_DELTA, level: levelDelta }
    if (changed.count * changed.pageBytes > SAMPLE_BYTES && !(await this.#sampleSaves(changed, levelFull))) return raw
    return levelFull > 0 && this.#kernels.zstdEncodes ? { method: CODECS.zstd, level: levelFull } : { method: CODECS.lz4, level: 0 }
  }

  async #sampleSaves(changed: ChangedPages, level: number): Promise<boolean> {
    const sample = sampleOf(changed)
    return (await pack(this.#kernels, sample, level)).bytes.length <= sample.length * SAVING_RATIO
  }

  async #sampleCompresses(changed: ChangedPages): Promise<boolean> {
    if (this.#pause > 0) {
      this.#pause -= 1
      return false
    }
    const sample = sampleOf(changed)
    const { bytes } = await pack(this.#kernels, sample, 0)
    if (bytes.length <= sample.length * WORTHWHILE_RATIO) return true
    this.#pause = SAMPLE_PAUSE
    return false
  }
}

const METHODS: Readonly<Record<PageMethod['kind'], number>> = { raw: CODECS.raw, lz4: CODECS.lz4, zstd: CODECS.zstd, delta: PAGE_DELTA }

function sampleOf({ batch, pageBytes }: ChangedPages): Uint8Array {
  return batch.sample(Math.max(1, SAMPLE_BYTES / pageBytes)).pages
}
