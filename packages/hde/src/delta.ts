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
export type { HdeErrorCode } from './errors.js'
