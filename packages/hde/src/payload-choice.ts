import type { Kernels } from './kernels.js'
import { PAGE_DELTA, type Packed, pack } from './packing.js'
import type { Profile } from './profiles.js'

/** A codec that saves less costs more time than the bytes. */
const WORTHWHILE_RATIO = 0.9
/** On slower links: what zstd makes of noise is a little more than the noise. Page deltas find out on the way. */
const SAVING_RATIO = 0.98
const SAMPLE_PIECES = 16
const SAMPLE_PIECE_BYTES = 4096
const SAMPLE_BYTES = SAMPLE_PIECES * SAMPLE_PIECE_BYTES
/** After a sample that did not compress, this many payloads go out raw before the next sample, where the link outruns the codec. */
const SAMPLE_PAUSE = 7

/** Packs the changed pages of a batch as its profile says. */
export class PayloadChoice {
  readonly #kernels: Kernels
  #pause = 0

  constructor(kernels: Kernels) {
    this.#kernels = kernels
  }

  /**
   * Packed, or undefined where raw bytes do as well.
   *
   * @param old - The old content of the pages and further pages that help, as for `encodePageDelta`; empty where nothing helps.
   */
  async choose(profile: Profile, source: Uint8Array, old: Uint8Array, pageBytes: number): Promise<Packed | undefined> {
    const { codec, levelDelta, levelFull } = profile
    if (codec === 'lz4-if-worth-it' && !(await this.#sampleCompresses(source))) return undefined
    if (codec === 'zstd' && old.length === 0 && source.length > SAMPLE_BYTES && !(await this.#sampleSaves(source, levelFull)))
      return undefined
    const packed =
      old.length > 0
        ? { method: PAGE_DELTA, bytes: await this.#kernels.encodePageDelta(source, old, { pageBytes, level: levelDelta }) }
        : await pack(this.#kernels, source, levelFull)
    return packed.bytes.length < source.length ? packed : undefined
  }

  async #sampleSaves(source: Uint8Array, level: number): Promise<boolean> {
    const sample = sampleOf(source)
    return (await pack(this.#kernels, sample, level)).bytes.length <= sample.length * SAVING_RATIO
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

/** Whole pieces at even distances, in place of the whole: the same ones in everything of one length. */
function sampleOf(source: Uint8Array): Uint8Array {
  if (source.length <= SAMPLE_BYTES) return source
  const sample = new Uint8Array(SAMPLE_BYTES)
  const lastPiece = Math.floor(source.length / SAMPLE_PIECE_BYTES) - 1
  for (let piece = 0; piece < SAMPLE_PIECES; piece += 1) {
    const at = Math.floor((piece * lastPiece) / (SAMPLE_PIECES - 1)) * SAMPLE_PIECE_BYTES
    sample.set(source.subarray(at, at + SAMPLE_PIECE_BYTES), piece * SAMPLE_PIECE_BYTES)
  }
  return sample
}
