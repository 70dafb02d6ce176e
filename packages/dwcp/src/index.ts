export {
  listenV1,
  sendV1,
  type V1Limits,
  type V1ListenOptions,
  type V1Plaintext,
  type V1Progress,
  type V1ReceiveOptions,
  type V1Saved,
  type V1SaveOptions,
  type V1SendOptions,
  type V1Sent,
  type V1Server,
  type V1ServerStats,
  type V1Terms,
  type V1Transfer,
} from '@dwcp/amst'
export {
  type BaselineStore,
  type ChangeValue,
  createDecoder,
  createDictionaryStore,
  createEncoder,
  createMemoryStore,
  type DecoderOptions,
  type DictionaryStore,
  type DocumentSet,
  type DocumentSetDecodeOptions,
  decodeChanges,
  decodeDocumentBytes,
  decodeDocuments,
  decodeV1Packet,
  type EncodeOptions,
  type EncoderInput,
  type EncoderOptions,
  encodeChanges,
  encodeDocumentBytes,
  encodeDocuments,
  encodeV1Packet,
  type JsonValue,
  type ObjectDecoder,
  type ObjectEncoder,
  openDiskStore,
  type PageNumbers,
  type PageSet,
  type PageSetDecodeOptions,
  v1DiskBaselineId,
  v1MemoryBaselineId,
} from '@dwcp/hde'
export type {
  MigrateOptions,
  MigrationPhase,
  MigrationProgress,
  MigrationReport,
  MigrationRound,
  WasmDriverOptions,
  WasmStats,
  WasmWorkload,
} from '@dwcp/migration'
export { HashChainVerifier, hashChain, kv, loadWorkload, simulation, workloadPath } from '@dwcp/migration'
export { type ClientOptions, connectClient, type WorkloadAnswer, type WorkloadClient } from './client.js'
export {
  bytesBase,
  createDeltaDecoder,
  createDeltaEncoder,
  type DeltaBase,
  type DeltaDecodeOptions,
  type DeltaDecoder,
  type DeltaEncodeOptions,
  type DeltaEncoder,
  type DeltaLevel,
  type DeltaLimits,
  type DeltaStats,
  type DeltaSummary,
  fileBase,
  inspectDelta,
  joinedBase,
} from './delta.js'
export { FLAG_DEFAULTS, type FlaggedComponent, type Flags, parseFlags, rolloutBucket, usesV3 } from './flags.js'
export type { FlagsStatus } from './flags-file.js'
export type { LinkStatus } from './links.js'
export { type DwcpNode, type NodeChange, type NodeOptions, startNode } from './node.js'
export { formatAddress, parseAddress } from './peers.js'
export type { WorkloadState, WorkloadStatus } from './workload-table.js'
