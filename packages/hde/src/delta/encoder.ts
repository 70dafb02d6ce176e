import type { Digest } from '@dwcp/interface'
import { bytesBase, type DeltaBase } from './base.js'
import { baseHashOf } from './base-hash.js'
import type { BaselineSource } from './baselines.js'
import { type BlockPlace, encodeBlock } from './block.js'
import { blocksOf, isStream } from './blocks.js'
import { BLOCK_BYTES, WINDOW_BYTES } from './bounds.js'
import { MAGIC, writeEnd, writeHead } from './format.js'
import { deltaKernelsOnce } from './kernels.js'
import { type LevelChoice, LiveLevel } from './level-choice.js'
import { type DeltaLevel, LEVELS } from './levels.js'

/**
 * What an encoder has done so far, over all objects.
 *
 * @public
 */
export interface DeltaStats {
  /** Of the objects. */
  readonly rawBytes: number
  /** Of the streams made of them. */
  readonly wireBytes: number
  /** Bytes of the objects that no copy described, before compression. */
  readonly literalBytes: number
  /** Bytes that describe where copies differ, before compression. */
  readonly patchBytes: number
  /** Objects encoded by themselves because their baseline was not held any more. */
  readonly missedBaselines: number
  /** Blocks by the level they were encoded at. */
  readonly levels: Readonly<Record<DeltaLevel, number>>
  /** What the level of the last block was chosen by. */
  readonly lastChoice?: LevelChoice
}

/**
 * What to encode an object against, and how to follow it.
 *
 * @public
 */
export interface DeltaEncodeOptions {
  /** Content that the decoder holds too. @defaultValue none */
  readonly base?: DeltaBase
  /**
   * In place of `base`: an object that both sides keep in their stores, which the decoder finds by this digest. Where this side has
   * lost it, the object is encoded by itself.
   */
  readonly baseline?: Digest
  /** Of an object that is an iterable, where it is known; the decoder can show progress by it. */
  readonly lengthBytes?: number
  readonly signal?: AbortSignal
  /** After each block. */
  readonly onProgress?: (progress: DeltaStats) => void
}

/**
 * Turns objects into delta streams.
 *
 * @public
 */
export interface DeltaEncoder {
  /**
   * Frames of a stream that docs/wire/delta.md describes; concatenated, they are a file. One block is in memory at a time.
   *
   * @throws `signal.reason`; what reading the object or the base throws.
   */
  encode(
    object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>,
    options?: DeltaEncodeOptions,
  ): AsyncGenerator<Uint8Array, void, undefined>
  stats(): DeltaStats
}

/**
 * How hard to look, and where baselines are.
 *
 * @public
 */
export interface DeltaEncoderOptions {
  /** @defaultValue chosen for each block where `link` says what it carries, else 'balanced' */
  readonly level?: DeltaLevel
  /** What the link to the decoder is forecast to give to this traffic, in bytes a second, asked for each block; undefined or 0 where that is not known. */
  readonly link?: () => number | undefined
  /** Where `DeltaEncodeOptions.baseline` is found. @defaultValue none */
  readonly baselines?: BaselineSource
}

/**
 * Describes bytes and files of any size by a base that the decoder holds: copies from anywhere in a window of it, patches where
 * copies are almost right, and what remains compressed with the former version of what was edited as its reference.
 *
 * @example
 * ```ts
 * import { bytesBase, createDeltaDecoder, createDeltaEncoder } from '@dwcp/hde'
 * const [older, newer] = [new Uint8Array(100_000).fill(1), new Uint8Array(100_001).fill(1)]
 * const frames = createDeltaEncoder().encode(newer, { base: bytesBase(older) })
 * for await (const part of createDeltaDecoder().decode(frames, { base: bytesBase(older) })) console.log(part.length)
 * ```
 * @public
 */
export function createDeltaEncoder(options: DeltaEncoderOptions = {}): DeltaEncoder {
  const { level, link, baselines } = options
  if (level !== undefined && !Object.hasOwn(LEVELS, level))
    throw new RangeError(`level ${level}: it must be one of ${Object.keys(LEVELS).join(', ')}`)
  const live = new LiveLevel()
  const choose = (blockBytes: number): LevelChoice => {
    const bytesPerSecond = level === undefined ? (link?.() ?? 0) : 0
    return bytesPerSecond > 0 ? live.choose(blockBytes, bytesPerSecond) : { level: level ?? 'balanced' }
  }
  const levels = { fast: 0, balanced: 0, small: 0 }
  let lastChoice: LevelChoice | undefined
  let [rawBytes, wireBytes, literalBytes, patchBytes, missedBaselines] = [0, 0, 0, 0, 0]
  const stats = (): DeltaStats => ({
    rawBytes,
    wireBytes,
    literalBytes,
    patchBytes,
    missedBaselines,
    levels: { ...levels },
    ...(lastChoice === undefined ? {} : { lastChoice }),
  })
  return {
    async *encode(object, { base: given, baseline, lengthBytes, signal, onProgress } = {}) {
      if (given !== undefined && baseline !== undefined) throw new TypeError('an object has a base or a baseline, not both')
      await using kept = baseline === undefined ? undefined : await baselines?.base(baseline)
      if (baseline !== undefined && kept === undefined) missedBaselines += 1
      const base = given ?? kept ?? bytesBase(new Uint8Array())
      const kernels = await deltaKernelsOnce()
      const source = object instanceof Uint8Array ? bytesBase(object) : object
      const targetBytes = isStream(source) ? lengthBytes : source.lengthBytes
      // A base that fits one window is read once.
      let window = base.lengthBytes <= WINDOW_BYTES ? { offset: 0, bytes: await base.read(0, base.lengthBytes) } : undefined
      const baseHash = await baseHashOf(kernels.hash, window === undefined ? base : bytesBase(window.bytes), signal)
      const head = Buffer.concat([MAGIC, writeHead({ baseBytes: base.lengthBytes, baseHash, baseline: kept && baseline, targetBytes })])
      wireBytes += head.length
      yield head
      const checks = kernels.hash.stream()
      const stopping = signal === undefined ? {} : { signal }
      let offset = 0
      for await (const block of blocksOf(source, BLOCK_BYTES)) {
        signal?.throwIfAborted()
        const at = windowOffset(base.lengthBytes, offset, block.length)
        const length = Math.min(WINDOW_BYTES, base.lengthBytes)
        if (window?.offset !== at) window = { offset: at, bytes: await base.read(at, length) }
        const place: BlockPlace = { lengthBytes: block.length, windowOffset: at, windowBytes: length, position: offset - at }
        const choice = choose(block.length)
        const startedMs = performance.now()
        const encoded = await encodeBlock(kernels, block, window.bytes, place, LEVELS[choice.level], stopping)
        live.measured(choice.level, block.length, encoded.frame.length, performance.now() - startedMs)
        levels[choice.level] += 1
        lastChoice = choice
        checks.update(encoded.hash)
        offset += block.length
        rawBytes += block.length
        literalBytes += encoded.literalBytes
        patchBytes += encoded.patchBytes
        wireBytes += encoded.frame.length
        yield encoded.frame
        onProgress?.(stats())
      }
      signal?.throwIfAborted()
      const end = writeEnd(offset, checks.digest())
      wireBytes += end.length
      yield end
    },
    stats,
  }
}

/** The part of the base around where the block would lie if nothing had moved. */
function windowOffset(baseBytes: number, offset: number, blockBytes: number): number {
  const centred = offset + Math.floor((blockBytes - WINDOW_BYTES) / 2)
  return Math.max(0, Math.min(centred, baseBytes - WINDOW_BYTES))
}
