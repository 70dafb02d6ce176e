import type { BundledProgram } from '../program-source.js'
import { formatByteRate, formatBytes } from '../units.js'
import type { ClientOrder } from './client-process.js'
import type { DemoOptions, DemoWorkload } from './demo-options.js'
import { PAGE_BYTES } from './memory-interlocutor.js'

/** A workload of the demo, and what its client has to know of it. */
export interface PlannedWorkload extends DemoWorkload {
  readonly order: ClientOrder
}

const MIB = 2 ** 20
const DEFAULT_BYTES = 64 * MIB
const DEFAULT_LEDGER_BYTES = 8 * MIB
const DEFAULT_DIRTY_BYTES_PER_SECOND = 20 * MIB
/** Below the driver's 2 GiB, with room for the program's own pages. */
const MAX_BYTES = 1900 * MIB
const MAX_DIRTY_BYTES_PER_SECOND = 4096 * MIB
/** What is rewritten is a part of the memory, as in real programs; the rest stays as it was filled. */
const CHANGING_SHARE = 1 / 4
/** Of 16 words of a page, how many are random: half of each page does not compress. */
const RANDOM_WORDS = 8
const SEED = 2024

/** The workloads of a demo, the main one first. @throws RangeError for amounts out of range. */
export function planWorkloads(options: DemoOptions): readonly PlannedWorkload[] {
  const { workload = 'all', dirtyBytesPerSecond = DEFAULT_DIRTY_BYTES_PER_SECOND } = options
  const bytes = options.bytes ?? (workload === 'kv' ? DEFAULT_LEDGER_BYTES : DEFAULT_BYTES)
  if (!(bytes >= PAGE_BYTES && bytes <= MAX_BYTES)) throw new RangeError(`bytes is ${bytes}: from ${PAGE_BYTES} to ${MAX_BYTES} (1900 MiB)`)
  if (!(dirtyBytesPerSecond >= 0 && dirtyBytesPerSecond <= MAX_DIRTY_BYTES_PER_SECOND)) {
    throw new RangeError(`dirtyBytesPerSecond is ${dirtyBytesPerSecond}: from 0 to ${MAX_DIRTY_BYTES_PER_SECOND} (4 GiB/s)`)
  }
  const pages = Math.ceil(bytes / PAGE_BYTES)
  const pagesPerSecond = Math.round(dirtyBytesPerSecond / PAGE_BYTES)
  const memory = {
    pages,
    changingPages: pagesPerSecond === 0 ? 0 : Math.ceil(pages * CHANGING_SHARE),
    pagesPerSecond,
    seed: SEED,
    randomWords: RANDOM_WORDS,
  }
  const ledgerBytes = workload === 'kv' ? bytes : 0
  const plan = (id: string, program: BundledProgram, about: string): PlannedWorkload => ({
    id,
    program,
    about,
    order: { id, program, memory, ledgerBytes },
  })
  const all = [
    plan(
      'memory',
      'simulation',
      `${formatBytes(pages * PAGE_BYTES)} of memory, half of each page random, ${formatByteRate(pagesPerSecond * PAGE_BYTES)} rewritten`,
    ),
    plan('chain', 'hash-chain', 'a million links a second, each made from all before it'),
    plan(
      'ledger',
      'kv',
      `a number that the client raises one by one${ledgerBytes > 0 ? `, beside ${formatBytes(ledgerBytes)} of values` : ''}`,
    ),
  ]
  return workload === 'all' ? all : all.filter(({ program }) => program === workload)
}
