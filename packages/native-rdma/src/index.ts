export type { Backend } from './backend.js'
export { type ChunkList, type ChunkSizes, type CutChunksOptions, chunkBackend, cutChunks, type DigestKind } from './chunk.js'
export {
  applyPageDelta,
  codecBackend,
  type DictionaryBackend,
  dictionaryBackend,
  encodePageDelta,
  type Lz4CompressOptions,
  type Lz4DecompressOptions,
  lz4Compress,
  lz4Decompress,
  PAGE_KIND_CODES,
  type PageDeltaApplyOptions,
  type PageDeltaEncodeOptions,
  type PageKind,
  pageDeltaBackend,
  scanPages,
  TAGS_PER_PAGE,
  tagPages,
  type ZstdBackend,
  type ZstdCompressOptions,
  type ZstdDecompressOptions,
  zstdCompress,
  zstdCompressWith,
  zstdDecompress,
  zstdDecompressWith,
  zstdTrain,
} from './codec.js'
export { allocateBytes, type DeltaMatchOptions, type DeltaStreams, deltaApply, deltaBackend, deltaMatch, deltaReference } from './delta.js'
export type { NativeErrorCode } from './errors.js'
export { type Blake3, type Blake3Stream, type Hash, type HashStream, type LoadHashOptions, loadBlake3, loadHash } from './hash.js'
export { lockDirectory } from './lock.js'
export { type DirtyTracker, type TrackDirtyPagesOptions, trackDirtyPages } from './memory.js'
export {
  descriptorOf,
  getCongestionControl,
  setCongestionControl,
  setMaxPacingRate,
  setNotSentLowWater,
  socketBackend,
  type TcpInfo,
  tcpInfo,
} from './socket.js'
export {
  type FrameStream,
  type FrameStreamOptions,
  openFrameStream,
  type ReceivedStreamFrame,
  type StreamFrame,
  type StreamSecrets,
  type StreamSecretsOptions,
  streamBackend,
  streamSecrets,
} from './stream.js'
