export { runDemo } from './demo/demo.js'
export type {
  Conversation,
  DemoLink,
  DemoMigration,
  DemoNode,
  DemoOptions,
  DemoReport,
  DemoStep,
  DemoWorkload,
  Proof,
} from './demo/demo-options.js'
export type { CliErrorCode } from './errors.js'
export type { BundledProgram } from './program-source.js'
export { parseBitRate, parseByteRate, parseBytes, parseDuration, parseRatio } from './units.js'
