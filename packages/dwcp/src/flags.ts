import { DwcpError, type NodeId } from '@dwcp/interface'
import * as v from 'valibot'

/** What a flags file may say (DESIGN § 4). Absent keys have these defaults: everything v3. */
export interface Flags {
  readonly enableV3Transport: boolean
  readonly enableV3Compression: boolean
  readonly enableV3Prediction: boolean
  readonly enableV3StateSync: boolean
  readonly enableV3Consensus: boolean
  readonly enableV3Placement: boolean
  /** Share of nodes, 0-100, that use v3 where a flag allows it; by the node's bucket. */
  readonly v3RolloutPercentage: number
  /** Kill switch: everything v1 behaviour, whatever else is said. */
  readonly forceV1Mode: boolean
}

/** The components a flag chooses for. */
export type FlaggedComponent = 'transport' | 'compression' | 'prediction' | 'stateSync' | 'consensus' | 'placement'

/** The flags where a file says nothing. */
export const FLAG_DEFAULTS: Flags = {
  enableV3Transport: true,
  enableV3Compression: true,
  enableV3Prediction: true,
  enableV3StateSync: true,
  enableV3Consensus: true,
  enableV3Placement: true,
  v3RolloutPercentage: 100,
  forceV1Mode: false,
}

const NAMES: Readonly<Record<FlaggedComponent, keyof Flags>> = {
  transport: 'enableV3Transport',
  compression: 'enableV3Compression',
  prediction: 'enableV3Prediction',
  stateSync: 'enableV3StateSync',
  consensus: 'enableV3Consensus',
  placement: 'enableV3Placement',
}

const Percentage = v.pipe(v.number(), v.minValue(0), v.maxValue(100))
const FlagsSchema = v.strictObject({
  enableV3Transport: v.exactOptional(v.boolean()),
  enableV3Compression: v.exactOptional(v.boolean()),
  enableV3Prediction: v.exactOptional(v.boolean()),
  enableV3StateSync: v.exactOptional(v.boolean()),
  enableV3Consensus: v.exactOptional(v.boolean()),
  enableV3Placement: v.exactOptional(v.boolean()),
  v3RolloutPercentage: v.exactOptional(Percentage),
  forceV1Mode: v.exactOptional(v.boolean()),
})

/**
 * Reads and checks the text of a flags file.
 *
 * @param text - JSON.
 * @throws `ERR_CORE_FLAGS`, which names the key, what stood there and, for an unknown one, the nearest known.
 */
export function parseFlags(text: string, source: string): Flags {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new DwcpError('ERR_CORE_FLAGS', `${source} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (Array.isArray(value)) throw new DwcpError('ERR_CORE_FLAGS', `${source} holds a list; flags are one object`)
  if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(FLAG_DEFAULTS, key))
        throw new DwcpError(
          'ERR_CORE_FLAGS',
          `${source}: there is no flag "${key}"; did you mean "${nearest(key, Object.keys(FLAG_DEFAULTS))}"?`,
        )
    }
  }
  const result = v.safeParse(FlagsSchema, value)
  if (result.success) return { ...FLAG_DEFAULTS, ...result.output }
  const [issue] = result.issues
  throw new DwcpError('ERR_CORE_FLAGS', `${source}: ${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`)
}

/** Whether `node` uses v3 of `component`. The same on every node that asks about `node`. */
export function usesV3(flags: Flags, component: FlaggedComponent, node: NodeId): boolean {
  return !flags.forceV1Mode && flags[NAMES[component]] === true && rolloutBucket(node) < flags.v3RolloutPercentage
}

/** 0-99. FNV-1a, 32 bit, over the UTF-8 of the name, modulo 100: what v1 nodes compute too, so that a mixed fleet agrees. */
export function rolloutBucket(node: NodeId): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(node)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0) % 100
}

function nearest(word: string, known: readonly string[]): string {
  return (
    [...known].sort((x, y) => editDistance(word.toLowerCase(), x.toLowerCase()) - editDistance(word.toLowerCase(), y.toLowerCase()))[0] ??
    ''
  )
}

/** Levenshtein's, by one row at a time; `word` comes from a file, so it is cut. */
function editDistance(word: string, known: string): number {
  const from = word.slice(0, 64)
  let row = Array.from({ length: known.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= known.length; j++) {
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (from[i - 1] === known[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[known.length] ?? 0
}
