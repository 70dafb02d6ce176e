import type { Hash } from '@dwcp/native-rdma/hash'
import type { WorkloadRequest } from './mailbox.js'

/** All that one slice of a program gets from outside. The same inputs in the same order lead to the same state. */
export interface SliceInput {
  /** Counts from 0, on across migrations. */
  readonly slice: number
  /** What `now()` says in this slice. */
  readonly nowMs: number
  /** What `step` is given. */
  readonly budget: number
  /** Requests that became visible with this slice. */
  readonly requests: readonly WorkloadRequest[]
  /** Of the generator; with the first slice only. */
  readonly seed?: number
}

const encoder = new TextEncoder()

/** The rolling digest after `input`: XXH3-128 over the digest before it and the input's fields, lengths first. */
export function extendInputDigest(hash: Hash, before: Uint8Array, input: SliceInput): Uint8Array {
  const stream = hash.stream()
  stream.update(before)
  stream.update(numbers(input.slice, input.nowMs, input.budget, input.seed ?? -1, input.requests.length))
  for (const { client, sequence, payload } of input.requests) {
    const name = encoder.encode(client)
    stream.update(numbers(name.length, sequence, payload.length))
    stream.update(name)
    stream.update(payload)
  }
  return stream.digest()
}

function numbers(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length))
  for (const [index, value] of values.entries()) view.setFloat64(8 * index, value)
  return new Uint8Array(view.buffer)
}
