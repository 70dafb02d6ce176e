import { type Clock, isDwcpError, type Logger, type NodeId, type Ownership, type WorkloadId } from '@dwcp/interface'
import type { Journal, OwnershipRecord } from '@dwcp/migration'
import type { KeptCopies } from './kept-copy.js'

export interface FormerRun extends Disposable {
  /** Asks peers, in the background, what only they know, until they answer. */
  settle(copies: KeptCopies): void
}

const RETRY_MS = 250
const LOST = 'lost: the process that ran it ended'

/**
 * What an earlier process of this node ran was in its memory and is lost. What it held is written down as ended before this
 * resolves, so that nobody hears otherwise. Two things only a peer knows: whether it took what had been offered to it, and
 * whether it still keeps the copy of what it gave and nobody has begun to run. Until it says, the first is `settling` and
 * the second `waiting`; in no case does either run here again.
 */
export async function endFormerRun(parts: {
  readonly self: NodeId
  readonly journal: Journal
  readonly ownership: Ownership
  readonly clock: Clock
  readonly logger: Logger
  readonly onChange: (workload: WorkloadId) => void
}): Promise<FormerRun> {
  const { self, journal, ownership, clock, logger, onChange } = parts
  const closing = new AbortController()
  /** Not where it has come again since, under a later epoch. */
  const endIfHeld = async ({ workload, lineage, epoch }: OwnershipRecord): Promise<void> => {
    const now = journal.get(workload)
    if (now?.state !== 'held' || now.lineage !== lineage || now.epoch !== epoch) return
    await ownership.end({ workload, epoch, owner: self, active: now.active }, LOST)
  }
  const isSettled = async (workload: WorkloadId): Promise<boolean> => {
    try {
      await ownership.current(workload)
      return true
    } catch (error) {
      if (!isDwcpError(error, 'ERR_OWNERSHIP_OUTCOME_UNKNOWN')) throw error
      return false
    }
  }
  const settle = async (record: OwnershipRecord, copies: KeptCopies): Promise<void> => {
    const { workload } = record
    const giver = giverOf(record)
    // A copy that is kept is taken back, or lost with its process; both take a while.
    while (giver !== undefined && journal.get(workload) === record && (await copies.isKept(giver, workload, closing.signal)))
      await pause(clock, closing.signal)
    while (!(await isSettled(workload))) await pause(clock, closing.signal)
    await endIfHeld(record)
    onChange(workload)
  }

  const open: OwnershipRecord[] = []
  for (const record of journal.records()) {
    if (record.state === 'offered' || giverOf(record) !== undefined) open.push(record)
    else await endIfHeld(record)
  }
  return {
    settle(copies) {
      for (const record of open) {
        settle(record, copies).catch((error: unknown) => {
          if (!closing.signal.aborted)
            logger.error({ workload: record.workload, error }, 'what an earlier process left cannot be settled before a restart')
        })
      }
    },
    [Symbol.dispose]: () => closing.abort(),
  }
}

/** Who gave what this node has not begun to run: the only one who may still have its state. */
function giverOf(record: OwnershipRecord): NodeId | undefined {
  return record.state === 'held' && !record.active ? record.givenBy : undefined
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = (): void => {
      timer[Symbol.dispose]()
      reject(signal.reason)
    }
    const timer = clock.after(RETRY_MS, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
