import type { NodeId, WorkloadId } from '@dwcp/interface'
import * as v from 'valibot'

/**
 * One try to hand a workload on; a new one for each, so that a refused try can never be accepted late. `lineage` is drawn
 * when a workload is created and tells two apart that were given the same name. `epoch` is the one the try would create.
 */
export interface Attempt {
  readonly lineage: string
  readonly epoch: number
  readonly number: number
}

interface Common {
  readonly workload: WorkloadId
  readonly lineage: string
  readonly epoch: number
  /** By lineage, the last attempt that this node, as a target, has promised never to accept. */
  readonly refused: readonly Attempt[]
  /** Lineages of this name that this node knew before, and how far they had come: it may still be asked about them. */
  readonly former?: readonly Former[]
}

interface Former {
  readonly lineage: string
  readonly epoch: number
}

/** What one node knows of who owns a workload: one line of its journal. */
export type OwnershipRecord =
  /** This node owns it; `active`: it has run, or is about to. `attempts`: how often it was offered to others under this epoch. */
  | (Common & { readonly state: 'held'; readonly active: boolean; readonly attempts: number; readonly givenBy?: NodeId })
  /** This node has offered it to `to` and must not run it until that is settled. */
  | (Common & { readonly state: 'offered'; readonly active: boolean; readonly attempts: number; readonly to: NodeId })
  /** `owner` owns it, as far as this node knows. */
  | (Common & { readonly state: 'moved'; readonly owner: NodeId })
  | (Common & { readonly state: 'ended'; readonly reason: string })
  /** Nothing is known but that an attempt was refused. */
  | (Common & { readonly state: 'none' })

/** What nodes ask each other about ownership. */
export type OwnershipQuestion =
  | { readonly question: 'offer'; readonly workload: WorkloadId; readonly attempt: Attempt }
  | { readonly question: 'inquire'; readonly workload: WorkloadId; readonly attempt: Attempt }
  | { readonly question: 'return'; readonly workload: WorkloadId; readonly lineage: string; readonly epoch: number }

export interface OwnershipAnswer {
  readonly outcome: 'accepted' | 'refused' | 'returned' | 'active' | 'stale'
  readonly reason?: string
}

/** Names are meant to be unique, so that more than one lineage per name is a rare mistake. */
const MAX_REFUSED = 16
const MAX_FORMER = 16
/** A hostile peer must not be able to bring an epoch to where it can no longer be counted on. */
const MAX_ASKED = 2 ** 48
const MAX_REASON = 4096

const Name = v.pipe(v.string(), v.minLength(1), v.maxLength(256))
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Reason = v.pipe(v.string(), v.maxLength(MAX_REASON))
const Asked = v.pipe(Count, v.maxValue(MAX_ASKED))
const AttemptSchema = v.strictObject({ lineage: Name, epoch: Asked, number: Asked })
const common = {
  workload: Name,
  lineage: Name,
  epoch: Count,
  refused: v.pipe(v.array(AttemptSchema), v.maxLength(MAX_REFUSED)),
  former: v.exactOptional(v.pipe(v.array(v.strictObject({ lineage: Name, epoch: Count })), v.maxLength(MAX_FORMER))),
}

const RecordSchema: v.GenericSchema<OwnershipRecord> = v.variant('state', [
  v.strictObject({ state: v.literal('held'), ...common, active: v.boolean(), attempts: Count, givenBy: v.exactOptional(Name) }),
  v.strictObject({ state: v.literal('offered'), ...common, active: v.boolean(), attempts: Count, to: Name }),
  v.strictObject({ state: v.literal('moved'), ...common, owner: Name }),
  v.strictObject({ state: v.literal('ended'), ...common, reason: Reason }),
  v.strictObject({ state: v.literal('none'), ...common }),
])

const QuestionSchema: v.GenericSchema<OwnershipQuestion> = v.variant('question', [
  v.strictObject({ question: v.literal('offer'), workload: Name, attempt: AttemptSchema }),
  v.strictObject({ question: v.literal('inquire'), workload: Name, attempt: AttemptSchema }),
  v.strictObject({ question: v.literal('return'), workload: Name, lineage: Name, epoch: Asked }),
])

const AnswerSchema: v.GenericSchema<OwnershipAnswer> = v.strictObject({
  outcome: v.picklist(['accepted', 'refused', 'returned', 'active', 'stale']),
  reason: v.exactOptional(Reason),
})

/** Undefined where `value` is no record of this version. */
export function parseRecord(value: unknown): OwnershipRecord | undefined {
  return parse(RecordSchema, value)
}

export function parseQuestion(value: unknown): OwnershipQuestion | undefined {
  return parse(QuestionSchema, value)
}

export function parseAnswer(value: unknown): OwnershipAnswer | undefined {
  return parse(AnswerSchema, value)
}

/** Whether this node has promised never to accept `attempt`. */
export function isRefused(record: OwnershipRecord | undefined, attempt: Attempt): boolean {
  const last = record?.refused.find((refused) => refused.lineage === attempt.lineage)
  return last !== undefined && (attempt.epoch < last.epoch || (attempt.epoch === last.epoch && attempt.number <= last.number))
}

/** What every later record of the same lineage keeps. */
export function kept({ workload, lineage, epoch, refused, former }: OwnershipRecord): Common {
  return { workload, lineage, epoch, refused, ...(former ? { former } : {}) }
}

/** What the first record of a lineage takes over from the one it replaces. */
export function succeeding(before: OwnershipRecord | undefined, next: { readonly workload: WorkloadId } & Former): Common {
  const { workload, lineage, epoch } = next
  if (before === undefined || before.state === 'none') return { workload, lineage, epoch, refused: before?.refused ?? [] }
  if (before.lineage === lineage) return { ...kept(before), epoch }
  const others = (before.former ?? []).filter((each) => each.lineage !== before.lineage)
  const former = [...others.slice(1 - MAX_FORMER), { lineage: before.lineage, epoch: before.epoch }]
  return { workload, lineage, epoch, refused: before.refused, former }
}

/** Only the source of `attempt` can bring its lineage to its epoch, and it has one attempt open at a time: so it was this one. */
export function hasReached(record: OwnershipRecord | undefined, attempt: Attempt): boolean {
  if (record === undefined || record.state === 'none') return false
  return [record, ...(record.former ?? [])].some((each) => each.lineage === attempt.lineage && each.epoch >= attempt.epoch)
}

/** The record with the promise never to accept `attempt`. */
export function withRefusal(record: OwnershipRecord | undefined, workload: WorkloadId, attempt: Attempt): OwnershipRecord {
  const before: OwnershipRecord = record ?? { state: 'none', workload, lineage: attempt.lineage, epoch: 0, refused: [] }
  if (isRefused(before, attempt)) return before
  const others = before.refused.filter((refused) => refused.lineage !== attempt.lineage)
  return { ...before, refused: [...others.slice(1 - MAX_REFUSED), attempt] }
}

function parse<T>(schema: v.GenericSchema<T>, value: unknown): T | undefined {
  const result = v.safeParse(schema, value)
  return result.success ? result.output : undefined
}
