import type { Digest } from '@dwcp/interface'
import { loadHash } from '@dwcp/native-rdma/hash'
import { invalidState } from './errors.js'
import type { Answer } from './mailbox.js'
import { checkModule } from './module-check.js'
import { Program } from './program.js'
import type { SliceInput } from './slice-input.js'
import { stateDigest } from './state-digest.js'
import { DEFAULT_MAILBOX_LIMITS, DEFAULT_MAX_MEMORY_BYTES } from './wasm-options.js'

/** Bounds of a replay; those of the recording must not be larger. */
export interface ReplayOptions {
  /** As where the recording was made: how far a memory may grow is visible to its program. @defaultValue 2 GiB */
  readonly maxMemoryBytes?: number
  /** As where the recording was made. @defaultValue 1 MiB */
  readonly maxReplyBytes?: number
  /** As where the recording was made. @defaultValue 1024 */
  readonly maxClients?: number
  /** As where the recording was made. @defaultValue 64 MiB */
  readonly maxMailboxBytes?: number
}

/** Where a replay arrived. */
export interface ReplayReport {
  /** What `WasmWorkload.digest()` says after the last slice. */
  readonly digest: Digest
  readonly slices: number
  /** In the order in which the program gave them. */
  readonly answers: readonly Answer[]
}

/**
 * Runs a fresh instance of `module` over a recording, here and now, without clock or network.
 *
 * @param inputs - What `record` was given, from slice 0, in order; of all nodes that ran the workload, one after the other.
 * @throws `ERR_MIGRATION_STATE_INVALID` where a slice is missing, `ERR_WORKLOAD_TRAPPED`, `ERR_MIGRATION_UNSUPPORTED`.
 */
export async function replay(
  module: Uint8Array,
  inputs: Iterable<SliceInput> | AsyncIterable<SliceInput>,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const hash = await loadHash()
  const checked = checkModule(module, options.maxMemoryBytes ?? DEFAULT_MAX_MEMORY_BYTES)
  const { maxClients, maxMailboxBytes, maxReplyBytes } = { ...DEFAULT_MAILBOX_LIMITS, ...options }
  const limits = { maxClients, maxMailboxBytes, maxReplyBytes, maxRequestBytes: Number.MAX_SAFE_INTEGER }
  const answers: Answer[] = []
  const events = { onAnswer: (answer: Answer) => answers.push(answer), onLog: () => undefined }
  let program: Program | undefined
  for await (const input of inputs) {
    program ??= new Program(checked, { hash, limits, events, seed: input.seed ?? 0, restoring: false })
    if (input.slice !== program.slices) throw invalidState(`the recording goes from slice ${program.slices - 1} to ${input.slice}`)
    program.slice(input.nowMs, input.budget, input.requests)
  }
  if (program === undefined) throw invalidState('the recording is empty')
  return { digest: stateDigest(program, hash), slices: program.slices, answers }
}
