import { deltaApply, deltaMatch, deltaReference } from '@dwcp/native-rdma/delta'
import { type Hash, loadHash } from '@dwcp/native-rdma/hash'
import { type Kernels, loadKernels } from '../kernels.js'

/** As {@link Kernels}, with what delta streams need beside. */
export interface DeltaKernels extends Kernels {
  readonly hash: Hash
  readonly match: typeof deltaMatch
  readonly apply: typeof deltaApply
  readonly reference: typeof deltaReference
}

let loading: Promise<DeltaKernels> | undefined

/** The same for every caller. */
export function deltaKernelsOnce(): Promise<DeltaKernels> {
  loading ??= loadDeltaKernels()
  return loading
}

async function loadDeltaKernels(): Promise<DeltaKernels> {
  return { ...(await loadKernels()), hash: await loadHash(), match: deltaMatch, apply: deltaApply, reference: deltaReference }
}
