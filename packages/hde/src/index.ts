export type { ChoiceStats, MethodStats } from './choice/live-choice.js'
export {
  type ChunkDecoder,
  type ChunkDecoderOptions,
  type ChunkLimits,
  createChunkDecoder,
  DEFAULT_CHUNK_LIMITS,
} from './chunks/chunk-decoder.js'
export { type ChunkEncoder, type ChunkEncoderOptions, type ChunkHave, createChunkEncoder } from './chunks/chunk-encoder.js'
export type { ChunkMode, DigestKind } from './chunks/modes.js'
export { bytesBase, type DeltaBase, fileBase, joinedBase } from './delta/base.js'
export type { BaselineSource } from './delta/baselines.js'
export { DEFAULT_DELTA_LIMITS, type DeltaLimits } from './delta/bounds.js'
export { createDeltaDecoder, type DeltaDecodeOptions, type DeltaDecoder, type DeltaDecoderOptions } from './delta/decoder.js'
export {
  createDeltaEncoder,
  type DeltaEncodeOptions,
  type DeltaEncoder,
  type DeltaEncoderOptions,
  type DeltaStats,
} from './delta/encoder.js'
export { type DeltaSummary, inspectDelta } from './delta/inspect.js'
export type { LevelChoice } from './delta/level-choice.js'
export type { DeltaLevel } from './delta/levels.js'
export { decodeObject, encodeObject, type ObjectDecodeOptions, type ObjectEncodeOptions } from './dictionaries/objects.js'
export { createDictionaryStore, type DictionaryStore, type DictionaryStoreOptions } from './dictionaries/store.js'
export type { SampleForm } from './dictionaries/training.js'
export { type ChangeDecodeOptions, type ChangeEncodeOptions, type ChangeValue, decodeChanges, encodeChanges } from './documents/changes.js'
export {
  type DocumentDecodeOptions,
  type DocumentEncodeOptions,
  decodeDocumentBytes,
  decodeDocuments,
  encodeDocumentBytes,
  encodeDocuments,
  type JsonValue,
} from './documents/documents.js'
export { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './documents/limits.js'
export type { HdeErrorCode } from './errors.js'
export type { DocumentSet } from './object/document-set.js'
export {
  createDecoder,
  type DecoderOptions,
  type DocumentSetDecodeOptions,
  type ObjectDecoder,
  type ObjectLimits,
  type PageSetDecodeOptions,
} from './object/object-decoder.js'
export {
  createEncoder,
  type EncodeOptions,
  type EncoderInput,
  type EncoderOptions,
  type ObjectEncoder,
  type ObjectEncoderStats,
  type ObjectTier,
  type TierStats,
} from './object/object-encoder.js'
export type { PageNumbers, PageSet } from './object/page-set.js'
export { type CodecOptions, createCodec, DEFAULT_BASELINE_BYTES, type PageCodec } from './state/codec.js'
export type { AppliedChunk, PageDecoder } from './state/decoder.js'
export type { PageEncoder } from './state/encoder.js'
export { DEFAULT_DECODE_LIMITS } from './state/limits.js'
export type { EncodingProfile } from './state/profiles.js'
export type { PageEncoderStats } from './state/tally.js'
export { openDiskStore } from './store/disk-store.js'
export { createMemoryStore } from './store/memory-store.js'
export {
  type Baseline,
  type BaselineStore,
  DEFAULT_STORE_BYTES,
  type PutOptions,
  type StoreOptions,
  type StoreStats,
} from './store/store.js'
export { v1DiskBaselineId, v1MemoryBaselineId } from './v1/baseline-id.js'
export type { V1Baseline } from './v1/delta.js'
export type { V1Tier } from './v1/header.js'
export { decodeV1Packet, encodeV1Packet, type V1DecodeOptions, type V1EncodeOptions, type V1Object } from './v1/packet.js'
