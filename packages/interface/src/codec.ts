import type { Digest } from './identity.js'
import type { LinkId } from './rate.js'
import type { Region, StateChunk } from './workload.js'

/** What a decoder allocates at most, whatever a frame claims. */
export interface DecodeLimits {
  /** Most bytes one frame may hold. */
  readonly frameBytes: number
  /** Most bytes the chunks of one frame may hold. */
  readonly chunkBytes: number
}

/** Bytes of state before and after, by what became of them. */
export interface EncoderStats {
  /** State given to the encoder. */
  readonly rawBytes: number
  /** Frames it made. */
  readonly wireBytes: number
  /** Pages by outcome. */
  readonly pages: Readonly<Record<'zero' | 'unchanged' | 'duplicate' | 'delta' | 'full', number>>
  /** Payload bytes on the wire, by codec; `delta` are page deltas. */
  readonly payloadBytes: Readonly<Record<'raw' | 'lz4' | 'zstd' | 'delta', number>>
}

/** Order matters: frames are decoded in the order in which they were made. Not reentrant. */
export interface Encoder {
  /** @returns frames, each at most `DecodeLimits.frameBytes` of the default limits. */
  encode(chunk: StateChunk): Promise<readonly Uint8Array[]>
  stats(): EncoderStats
  /** Frees what the encoder holds; with `keepAs`, what it has described stays as a baseline under that digest. */
  close(keepAs?: Digest): void
}

/** Turns frames back into state; takes them in the order in which they were made. Not reentrant. */
export interface Decoder {
  /** Throws `ERR_HDE_*`; after a throw the decoder is of no more use. `ERR_HDE_BASELINE_MISSING`: start again without `have`. */
  decode(frame: Uint8Array): Promise<readonly StateChunk[]>
  /** As {@link Encoder.close}. */
  close(keepAs?: Digest): void
}

/** hde → migration, ass. What hde offers to those who move state; frames are opaque to them. */
export interface StateCodec {
  /** Baselines this node holds for `workload`, newest first: what a target tells a source. */
  baselines(workload: string): readonly Digest[]
  /** `have`: digests the receiver says it holds. */
  encoder(options: {
    readonly workload: string
    readonly regions: readonly Region[]
    readonly link?: LinkId
    readonly have?: readonly Digest[]
  }): Encoder
  decoder(options: { readonly workload: string; readonly regions: readonly Region[]; readonly limits?: DecodeLimits }): Decoder
}
