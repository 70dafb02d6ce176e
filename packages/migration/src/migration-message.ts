import type { Digest, WorkloadId, WorkloadManifest } from '@dwcp/interface'
import * as v from 'valibot'

/** What a source asks a target in the course of one migration. */
export type MigrationQuestion =
  | { readonly question: 'prepare'; readonly migration: string; readonly epoch: number; readonly manifest: WorkloadManifest }
  /** Answered once the target runs the workload, or cannot. */
  | { readonly question: 'outcome'; readonly workload: WorkloadId; readonly epoch: number }
  /** The source knows that the workload runs there: the target may go. */
  | { readonly question: 'heard'; readonly workload: WorkloadId }
  | { readonly question: 'cancel'; readonly migration: string }

/** Baselines that a target names to a source. */
export const MAX_BASELINES = 64

export interface Prepared {
  /** Baselines of this workload that the target holds, newest first. */
  readonly have: readonly Digest[]
}

export type Outcome =
  | { readonly outcome: 'running' }
  /** It never ran here: the source may take it back. */
  | { readonly outcome: 'not-started'; readonly reason: string }
  /** It was this node's to run and has ended: nobody runs it again. */
  | { readonly outcome: 'lost'; readonly reason: string }

const Name = v.pipe(v.string(), v.minLength(1), v.maxLength(256))
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Pages = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(512),
  v.maxValue(2 ** 30),
  v.check((bytes) => Number.isInteger(Math.log2(bytes)), 'a power of two'),
)
const DigestSchema: v.GenericSchema<Digest> = v.custom<Digest>(
  (value) => typeof value === 'string' && /^[a-z0-9-]{1,32}:[0-9a-f]{8,128}$/.test(value),
)

const Manifest: v.GenericSchema<WorkloadManifest> = v.strictObject({
  workload: Name,
  kind: Name,
  version: Count,
  regions: v.pipe(
    v.array(
      v.pipe(
        v.strictObject({ pageBytes: Pages, lengthBytes: Count, maxLengthBytes: Count }),
        v.check(
          (region) => region.lengthBytes <= region.maxLengthBytes && region.lengthBytes % region.pageBytes === 0,
          'whole pages within the bound',
        ),
      ),
    ),
    v.maxLength(256),
  ),
  requires: v.pipe(
    v.record(Name, v.pipe(v.string(), v.maxLength(1024))),
    v.check((requires) => Object.keys(requires).length <= 64, 'at most 64 requirements'),
  ),
})

const QuestionSchema: v.GenericSchema<MigrationQuestion> = v.variant('question', [
  v.strictObject({ question: v.literal('prepare'), migration: Name, epoch: Count, manifest: Manifest }),
  v.strictObject({ question: v.literal('outcome'), workload: Name, epoch: Count }),
  v.strictObject({ question: v.literal('heard'), workload: Name }),
  v.strictObject({ question: v.literal('cancel'), migration: Name }),
])
const PreparedSchema: v.GenericSchema<Prepared> = v.strictObject({ have: v.pipe(v.array(DigestSchema), v.maxLength(MAX_BASELINES)) })
const OutcomeSchema: v.GenericSchema<Outcome> = v.variant('outcome', [
  v.strictObject({ outcome: v.literal('running') }),
  v.strictObject({ outcome: v.literal('not-started'), reason: v.pipe(v.string(), v.maxLength(4096)) }),
  v.strictObject({ outcome: v.literal('lost'), reason: v.pipe(v.string(), v.maxLength(4096)) }),
])

export function parseMigrationQuestion(value: unknown): MigrationQuestion | undefined {
  return parse(QuestionSchema, value)
}

export function parsePrepared(value: unknown): Prepared | undefined {
  return parse(PreparedSchema, value)
}

export function parseOutcome(value: unknown): Outcome | undefined {
  return parse(OutcomeSchema, value)
}

function parse<T>(schema: v.GenericSchema<T>, value: unknown): T | undefined {
  const result = v.safeParse(schema, value)
  return result.success ? result.output : undefined
}

/** The first frame of the state stream names the migration it belongs to. */
export function streamHeader(migration: string): Uint8Array {
  return new TextEncoder().encode(migration)
}

export function parseStreamHeader(frame: Uint8Array): string {
  return new TextDecoder().decode(frame.subarray(0, 256))
}
