import type { PackOptions, PageBatch } from '@dwcp/native-rdma/codec'
import type { Kernels } from './kernels.js'
import { CODECS, PAGE_DELTA, pack } from './packing.js'
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
}

/** How the changed pages of a batch are packed, as its profile says. */
export class PayloadChoice {
  readonly #kernels: Kernels
  #pause = 0

  constructor(kernels: Kernels) {
    this.#kernels = kernels
  }

  async choose({ codec, levelDelta, levelFull, delta }: Profile, changed: ChangedPages): Promise<Omit<PackOptions, 'spareBytes'>> {
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

function sampleOf({ batch, pageBytes }: ChangedPages): Uint8Array {
  return batch.sample(Math.max(1, SAMPLE_BYTES / pageBytes)).pages
}
