import type { Kernels } from './kernels.js'
import { type Packed, pack, packDelta } from './packing.js'
import type { Profile } from './profiles.js'

/** A codec that saves less costs more time than the bytes. */
const WORTHWHILE_RATIO = 0.9
/** A delta below this is taken without asking what plain compression would have made of it. */
const GOOD_DELTA_RATIO = 0.5
const SAMPLE_PIECES = 16
const SAMPLE_PIECE_BYTES = 4096
/** After a sample that did not compress, this many payloads go out raw before the next sample. */
const SAMPLE_PAUSE = 7

/** Packs the changed pages of a batch as its profile says. */
export class PayloadChoice {
  readonly #kernels: Kernels
  readonly #profile: Profile
  #pause = 0

  constructor(kernels: Kernels, profile: Profile) {
    this.#kernels = kernels
    this.#profile = profile
  }

  /** The smaller of what it tries, or undefined where raw bytes do as well. `old` as for `packDelta`, empty where there is none. */
  async choose(source: Uint8Array, old: Uint8Array): Promise<Packed | undefined> {
    if (this.#profile.codec === 'lz4-if-worth-it' && !(await this.#sampleCompresses(source))) return undefined
    const delta = old.length > 0 ? await packDelta(this.#kernels, source, old, this.#profile.levelDelta) : undefined
    if (delta !== undefined && delta.bytes.length <= source.length * GOOD_DELTA_RATIO) return delta
    const full = await pack(this.#kernels, source, this.#profile.levelFull)
    const best = delta !== undefined && delta.bytes.length < full.bytes.length ? delta : full
    return best.bytes.length < source.length ? best : undefined
  }

  async #sampleCompresses(source: Uint8Array): Promise<boolean> {
    if (this.#pause > 0) {
      this.#pause -= 1
      return false
    }
    const sample = sampleOf(source)
    const { bytes } = await pack(this.#kernels, sample, 0)
    if (bytes.length <= sample.length * WORTHWHILE_RATIO) return true
    this.#pause = SAMPLE_PAUSE
    return false
  }
}

/** Pieces at even distances, in place of the whole. */
function sampleOf(source: Uint8Array): Uint8Array {
  if (source.length <= SAMPLE_PIECES * SAMPLE_PIECE_BYTES) return source
  const sample = new Uint8Array(SAMPLE_PIECES * SAMPLE_PIECE_BYTES)
  const stride = Math.floor((source.length - SAMPLE_PIECE_BYTES) / (SAMPLE_PIECES - 1))
  for (let piece = 0; piece < SAMPLE_PIECES; piece += 1) {
    sample.set(source.subarray(piece * stride, piece * stride + SAMPLE_PIECE_BYTES), piece * SAMPLE_PIECE_BYTES)
  }
  return sample
}
