import { DwcpError } from '@dwcp/interface'
import type { HashStream } from '@dwcp/native-rdma/hash'
import { ByteReader } from '../byte-reader.js'
import { corrupt, type HdeErrorCode } from '../errors.js'
import { bytesBase, type DeltaBase } from './base.js'
import { baseHashOf } from './base-hash.js'
import type { BaselineSource } from './baselines.js'
import { decodeBlock, readBlock } from './block.js'
import { DEFAULT_DELTA_LIMITS, type DeltaLimits } from './bounds.js'
import { KINDS, MOST_HEAD_BYTES, readEnd, readHead, type StreamHead } from './format.js'
import { FrameReader } from './frame-reader.js'
import { type DeltaKernels, deltaKernelsOnce } from './kernels.js'

/**
 * The base of a stream, and how to follow it.
 *
 * @public
 */
export interface DeltaDecodeOptions {
  /** The content that the encoder was given as its base. @defaultValue what the stream names, from `baselines` */
  readonly base?: DeltaBase
  readonly signal?: AbortSignal
  /** After each block; `targetBytes` is what the encoder said, where it did. */
  readonly onProgress?: (progress: { readonly rawBytes: number; readonly targetBytes: number | undefined }) => void
}

/**
 * Turns delta streams back into objects.
 *
 * @public
 */
export interface DeltaDecoder {
  /**
   * The object in parts, each verified. The object is whole only when the generator ends without an error.
   *
   * @throws `ERR_HDE_BASELINE_MISSING` before any part: the base is another one, or the store has lost the one that the stream names
   * (`details.baseline`): have the object encoded by itself. `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`, `ERR_HDE_VERSION`.
   */
  decode(frames: Uint8Array | AsyncIterable<Uint8Array>, options?: DeltaDecodeOptions): AsyncGenerator<Uint8Array, void, undefined>
}

/**
 * What a decoder allocates at most, and where it finds baselines.
 *
 * @public
 */
export interface DeltaDecoderOptions {
  /** @defaultValue those of {@link DEFAULT_DELTA_LIMITS} */
  readonly limits?: Partial<DeltaLimits>
  /** Where the baselines are found that streams name. @defaultValue none */
  readonly baselines?: BaselineSource
}

/**
 * The inverse of `createDeltaEncoder`. Frames may come cut into any pieces.
 *
 * @public
 */
export function createDeltaDecoder(options: DeltaDecoderOptions = {}): DeltaDecoder {
  const limits = { ...DEFAULT_DELTA_LIMITS, ...options.limits }
  return {
    async *decode(frames, { base: given, signal, onProgress } = {}) {
      const kernels = await deltaKernelsOnce()
      const source = new FrameReader(frames, 2 * limits.blockBytes + MOST_HEAD_BYTES, signal)
      try {
        await source.magic()
        const head = await streamHead(source)
        await using kept = given === undefined && head.baseline !== undefined ? await options.baselines?.base(head.baseline) : undefined
        const base = given ?? kept ?? bytesBase(new Uint8Array())
        // A base that fits one window is read once.
        const fits = base.lengthBytes === head.baseBytes && base.lengthBytes <= limits.windowBytes
        const held = fits ? bytesBase(await base.read(0, base.lengthBytes)) : base
        await checkBase(kernels, held, head, signal)
        const checks = kernels.hash.stream()
        const stopping = signal === undefined ? {} : { signal }
        let window: { readonly key: string; readonly bytes: Uint8Array } | undefined
        let rawBytes = 0
        // Bounded by the source: each turn takes a frame of it.
        for (;;) {
          signal?.throwIfAborted()
          const reader = new ByteReader(await source.frame(), 0)
          const kind = reader.byte()
          if (kind === KINDS.end) return finish(reader, rawBytes, checks, await source.atEnd())
          if (kind !== KINDS.block) throw corrupt(`a frame of kind ${kind} where a block was due`)
          const block = readBlock(reader, head.baseBytes, limits)
          const { windowOffset, windowBytes } = block.place
          const key = `${windowOffset} ${windowBytes}`
          if (window?.key !== key) window = { key, bytes: await held.read(windowOffset, windowBytes) }
          const bytes = await decodeBlock(kernels, block, window.bytes, stopping)
          checks.update(block.hash)
          rawBytes += bytes.length
          yield bytes
          onProgress?.({ rawBytes, targetBytes: head.targetBytes })
        }
      } finally {
        await source.close()
      }
    },
  }
}

async function streamHead(source: FrameReader): Promise<StreamHead> {
  const reader = new ByteReader(await source.frame(), 0)
  if (reader.byte() !== KINDS.head) throw corrupt('a stream that does not begin with its head')
  return readHead(reader)
}

async function checkBase(kernels: DeltaKernels, base: DeltaBase, head: StreamHead, signal: AbortSignal | undefined): Promise<void> {
  const same = base.lengthBytes === head.baseBytes && Buffer.compare(await baseHashOf(kernels.hash, base, signal), head.baseHash) === 0
  if (same) return
  const { baseBytes, baseHash, baseline } = head
  const wanted = `${baseBytes} bytes with XXH3-128 ${Buffer.from(baseHash).toString('hex') || 'of nothing'}`
  const named = baseline === undefined ? '' : ` (baseline ${baseline})`
  throw new DwcpError<HdeErrorCode>('ERR_HDE_BASELINE_MISSING', `the stream builds on ${wanted}${named}, which are not here`, {
    details: { baseBytes, givenBytes: base.lengthBytes, ...(baseline === undefined ? {} : { baseline }) },
  })
}

function finish(reader: ByteReader, rawBytes: number, checks: HashStream, nothingFollows: boolean): void {
  const { targetBytes, hash } = readEnd(reader)
  if (targetBytes !== rawBytes || Buffer.compare(checks.digest(), hash) !== 0) throw corrupt('the object is not the one that was encoded')
  if (!nothingFollows) throw corrupt('bytes follow the end of the stream')
}
