export { type Clock, type Random, systemClock } from './clock.js'
export type { DecodeLimits, Decoder, Encoder, EncoderStats, StateCodec } from './codec.js'
export { DwcpError, type DwcpErrorOptions, isDwcpError } from './errors.js'
export type { FleetLink, FleetNode, FleetTask, GeoLocation, GpuDemand, GpuDevice, Resources } from './fleet.js'
export type {
  Action,
  ClusterId,
  CredentialSource,
  Decision,
  Digest,
  DigestAlgorithm,
  Evidence,
  EvidenceSink,
  Identity,
  KeyId,
  NodeId,
  PeerTrust,
  Principal,
  SignedItem,
  SigningDomain,
  TlsCredentials,
  TrustChange,
  TrustDomain,
  TrustStore,
} from './identity.js'
export type { CommandId, LogPartition, LogStatus, ReplicatedLog, StateMachine } from './log.js'
export { type Logger, silentLogger } from './logger.js'
export type { Grant, GrantChange, Ownership, WorkloadId } from './ownership.js'
export type { LinkForecast, LinkId, LinkSample, Quantiles, RateAdvisor } from './rate.js'
export {
  type Address,
  type ByteSource,
  type IncomingObject,
  type MessageTransport,
  type NetworkMode,
  type ObjectProgress,
  type ObjectReceipt,
  type PeerChange,
  type PeerDirectory,
  TRAFFIC_CLASSES,
  type TrafficClass,
} from './transport.js'
export type {
  ExportControl,
  ExportSteering,
  Region,
  StateChunk,
  Workload,
  WorkloadDriver,
  WorkloadManifest,
  WorkloadTarget,
} from './workload.js'
