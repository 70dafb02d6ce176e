import type { Kernels } from './kernels.js'
import { type Packed, pack, packDelta } from './packing.js'
import type { Profile } from './profiles.js'

/** A codec that saves less costs more time than the bytes. */
const WORTHWHILE_RATIO = 0.9
/** On slower links: what zstd makes of noise is a little more than the noise. */
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

  /** The smaller of what it tries, or undefined where raw bytes do as well. `old` as for `packDelta`, empty where there is none. */
  async choose({ codec, levelDelta, levelFull }: Profile, source: Uint8Array, old: Uint8Array): Promise<Packed | undefined> {
    if (codec === 'lz4-if-worth-it' && !(await this.#sampleCompresses(source))) return undefined
    let delta = old.length > 0
    let full = true
    // A page goes into the sample with its old content, so where they lie side by side the sample speaks for both ways.
    if (codec === 'zstd' && source.length > SAMPLE_BYTES && (old.length === 0 || old.length === source.length)) {
      const sample = sampleOf(source)
      const plainBytes = (await pack(this.#kernels, sample, levelFull)).bytes.length
      const deltaBytes = delta ? (await packDelta(this.#kernels, sample, sampleOf(old), levelDelta)).bytes.length : sample.length
      if (Math.min(plainBytes, deltaBytes) > sample.length * SAVING_RATIO) return undefined
      delta &&= deltaBytes < plainBytes
      full = !delta
    }
    const packed: Packed[] = []
    if (delta) packed.push(await packDelta(this.#kernels, source, old, levelDelta))
    if (full) packed.push(await pack(this.#kernels, source, levelFull))
    const [best] = packed.sort((x, y) => x.bytes.length - y.bytes.length)
    return best !== undefined && best.bytes.length < source.length ? best : undefined
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
