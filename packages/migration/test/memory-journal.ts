import type { WorkloadId } from '@dwcp/interface'
import type { Journal, OwnershipRecord } from '../src/index.ts'
import { parseRecord } from '../src/ownership-record.ts'

/** What outlives a node: the last record of each workload. */
export type Disk = Map<WorkloadId, OwnershipRecord>

export interface MemoryJournalOptions {
  readonly disk: Disk
  /** How long one write takes: resolves when it is on the disk, and never for a node that died before. */
  readonly onDisk: (record: OwnershipRecord) => Promise<void>
  /** Between the disk and what follows the write; never resolves for a node that died there. */
  readonly onWritten: (record: OwnershipRecord) => Promise<void>
}

/** A journal without a file, whose node can die at each write, before it or after it. */
export function createMemoryJournal(options: MemoryJournalOptions): Journal {
  const { disk, onDisk, onWritten } = options
  const state = new Map(disk)
  let tail: Promise<void> = Promise.resolve()
  const append = async (record: OwnershipRecord): Promise<void> => {
    if (parseRecord(record) === undefined) throw new RangeError(`not a record that a journal could read again: ${JSON.stringify(record)}`)
    await onDisk(record)
    disk.set(record.workload, record)
    await onWritten(record)
    state.set(record.workload, record)
  }
  const close = (): Promise<void> => tail
  return {
    get: (workload) => state.get(workload),
    records: () => [...state.values()],
    write(record) {
      const done = tail.then(() => append(record))
      tail = done.catch(() => undefined)
      return done
    },
    forget(workload) {
      if (state.get(workload)?.state === 'none') state.delete(workload)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
