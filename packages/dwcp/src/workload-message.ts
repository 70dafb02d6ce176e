import type { Address, NodeId, WorkloadId } from '@dwcp/interface'
import { decode, encode } from '@msgpack/msgpack'
import * as v from 'valibot'

/** The channel on which clients talk to workloads. */
export const WORKLOAD_CHANNEL = 'workload'

/** The client's name is the sender's: a peer cannot ask in another's name. */
export interface WorkloadAsk {
  readonly kind: 'ask'
  readonly workload: WorkloadId
  readonly sequence: number
  readonly payload: Uint8Array
}

export type WorkloadReply =
  | { readonly kind: 'answer'; readonly workload: WorkloadId; readonly sequence: number; readonly payload: Uint8Array }
  /** It runs there now. */
  | { readonly kind: 'moved'; readonly workload: WorkloadId; readonly owner: NodeId; readonly epoch: number; readonly address?: Address }
  /** It is stopped here for a moment; a `moved` or an answer follows. If it moves, then to `toward`, which can be asked already. */
  | {
      readonly kind: 'wait'
      readonly workload: WorkloadId
      readonly sequence: number
      readonly toward?: NodeId
      readonly address?: Address
    }
  | { readonly kind: 'unknown'; readonly workload: WorkloadId; readonly sequence: number }
  | { readonly kind: 'refused'; readonly workload: WorkloadId; readonly sequence: number; readonly code: string; readonly message: string }

const Name = v.pipe(v.string(), v.minLength(1), v.maxLength(256))
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Bytes = v.instance(Uint8Array)
const AddressSchema = v.strictObject({
  host: v.pipe(v.string(), v.maxLength(255)),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
})

const AskSchema: v.GenericSchema<WorkloadAsk> = v.strictObject({ kind: v.literal('ask'), workload: Name, sequence: Count, payload: Bytes })
const ReplySchema: v.GenericSchema<WorkloadReply> = v.variant('kind', [
  v.strictObject({ kind: v.literal('answer'), workload: Name, sequence: Count, payload: Bytes }),
  v.strictObject({ kind: v.literal('moved'), workload: Name, owner: Name, epoch: Count, address: v.exactOptional(AddressSchema) }),
  v.strictObject({
    kind: v.literal('wait'),
    workload: Name,
    sequence: Count,
    toward: v.exactOptional(Name),
    address: v.exactOptional(AddressSchema),
  }),
  v.strictObject({ kind: v.literal('unknown'), workload: Name, sequence: Count }),
  v.strictObject({
    kind: v.literal('refused'),
    workload: Name,
    sequence: Count,
    code: v.pipe(v.string(), v.maxLength(64)),
    message: v.pipe(v.string(), v.maxLength(4096)),
  }),
])

export function encodeMessage(message: WorkloadAsk | WorkloadReply): Uint8Array {
  return encode(message)
}

export function parseAsk(payload: Uint8Array): WorkloadAsk | undefined {
  return parse(AskSchema, payload)
}

export function parseReply(payload: Uint8Array): WorkloadReply | undefined {
  return parse(ReplySchema, payload)
}

function parse<T>(schema: v.GenericSchema<T>, payload: Uint8Array): T | undefined {
  let value: unknown
  try {
    value = decode(payload)
  } catch {
    return undefined
  }
  const result = v.safeParse(schema, value)
  return result.success ? result.output : undefined
}
