import { DwcpError, type Grant, isDwcpError, type MessageTransport, type NodeId, type Ownership } from '@dwcp/interface'
import { createJournalOwnership } from '../src/index.ts'
import { createMemoryJournal, type Disk } from './memory-journal.ts'
import { createVirtualClock } from './virtual-clock.ts'

type Side = 'a' | 'b'

/** Something that is about to happen; what stands first happens next, unless a deviation says otherwise. */
interface Pending {
  readonly what: string
  readonly side: Side
  readonly kind: 'message' | 'write' | 'restart'
  happen(): void
}

/** What can be done to a run besides letting the first pending thing happen. */
export interface Deviation {
  readonly what: string
  do(): void
}

interface Life {
  alive: boolean
  readonly ownership: Ownership & Disposable
}

/** One transfer of one workload from a to b, over the real ownership, where nothing happens by itself. */
export interface TransferModel {
  readonly trace: readonly string[]
  /** Lets everything that waits for nothing run. */
  settle(): Promise<void>
  /** The first pending thing, or else the next timer; false where there is neither. */
  advance(): boolean
  deviations(): readonly Deviation[]
  /** What is wrong now, and with `atRest` what is wrong for good. */
  problem(atRest: boolean): string | undefined
}

const LIMIT_MS = 60_000

export function openTransferModel(): TransferModel {
  const clock = createVirtualClock()
  const trace: string[] = []
  const pending: Pending[] = []
  const disks: Record<Side, Disk> = { a: new Map(), b: new Map() }
  const receivers: Partial<Record<Side, (from: NodeId, payload: Uint8Array) => void>> = {}
  const lives: Partial<Record<Side, Life>> = {}
  const running = { a: false, b: false }
  const crashed = { a: false, b: false }
  let settled = false
  let aborted = false
  let started = false
  const abort = new AbortController()

  const enqueue = (each: Pending): void => void pending.push(each)

  const start = (side: Side): Life => {
    const life: { current?: Life } = {}
    const alive = (): boolean => life.current?.alive !== false
    const mine = { ...clock, after: (delayMs: number, callback: () => void) => clock.after(delayMs, () => alive() && callback()) }
    const journal = createMemoryJournal({
      disk: disks[side],
      onDisk: (record) =>
        new Promise((resolve) => {
          if (!started) return resolve()
          enqueue({ what: `${side} writes ${record.state} e${record.epoch}`, side, kind: 'write', happen: () => alive() && resolve() })
        }),
      onWritten: () => (alive() ? Promise.resolve() : new Promise(() => undefined)),
    })
    const transport: MessageTransport = {
      self: side,
      maxMessageBytes: 1 << 20,
      maxDatagramBytes: 0,
      send(to, _channel, payload) {
        if (!alive() || (to !== 'a' && to !== 'b')) return false
        const text = Buffer.from(payload).toString('latin1')
        const what = /offer|inquire|return(?!ed)|accepted|refused|returned|active|stale|refusal/.exec(text)?.[0] ?? '?'
        enqueue({ what: `${side} says ${what}`, side: to, kind: 'message', happen: () => receivers[to]?.(side, payload.slice()) })
        return true
      },
      receive(_channel, on) {
        receivers[side] = (from, payload) => alive() && on({ nodeId: from, roles: [], domain: 'trusted' }, payload, clock.nowMs())
        return { [Symbol.dispose]: () => undefined }
      },
      sendObject: () => Promise.reject(new Error('not used')),
      receiveObject: () => ({ [Symbol.dispose]: () => undefined }),
      peers: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    }
    const ownership = createJournalOwnership(side, { journal, transport, clock: mine, transferTimeoutMs: 900, inquiryTimeoutMs: 500 })
    const born: Life = { alive: true, ownership }
    life.current = born
    lives[side] = born
    return born
  }

  /** As a departure does: whatever the transfer says, only a later look at the very grant lets the paused copy run on. */
  const source = async (life: Life): Promise<void> => {
    const { ownership } = life
    let moved: Grant | undefined = await ownership.transfer('w', 1, 'b', { signal: abort.signal }).catch(() => undefined)
    // Until it is known; a model that never gets there fails by its limit of steps.
    while (moved === undefined) {
      const now = await ownership.current('w').catch(() => undefined)
      if (now?.owner === 'a' && now.epoch === 1) {
        running.a = life.alive
        return
      }
      if (now !== undefined) moved = now
      else await new Promise<void>((resolve) => void clock.after(250, resolve))
    }
    // It keeps its copy until b is known to have begun; a b that died is asked to give it back, and one that runs too, to see it refuse.
    while (tookBack || !(disks.b.get('w')?.state === 'held' && running.b)) {
      try {
        if (crashed.b || tookBack) {
          const back = await ownership.transfer('w', moved.epoch, 'a')
          await ownership.activate(back)
          running.a = life.alive
          return
        }
      } catch (error) {
        if (isDwcpError(error, 'ERR_OWNERSHIP_ACTIVE')) return
        if (!isDwcpError(error, 'ERR_OWNERSHIP_OUTCOME_UNKNOWN')) throw error
      }
      await new Promise<void>((resolve) => void clock.after(250, resolve))
    }
  }
  let tookBack = false

  const target = async (life: Life): Promise<void> => {
    const { ownership } = life
    const grant = await ownership.awaitGrant('w', {
      from: 'a',
      afterEpoch: 1,
      consent: async () => true,
      signal: new AbortController().signal,
    })
    await ownership.activate(grant)
    running.b = life.alive
  }

  /** What ran in a former life is gone: its node only finds out whose it is. */
  const afterRestart = async (life: Life): Promise<void> => {
    while (life.alive) {
      const known = await life.ownership.current('w').then(
        () => true,
        () => false,
      )
      if (known) return
      await new Promise<void>((resolve) => void clock.after(1_000, resolve))
    }
  }

  const crash = (side: Side): void => {
    trace.push(`${side} crashes`)
    const life = lives[side]
    if (life !== undefined) life.alive = false
    crashed[side] = true
    running[side] = false
    delete receivers[side]
    enqueue({ what: `${side} restarts`, side, kind: 'restart', happen: () => void afterRestart(start(side)) })
  }

  const happen = (each: Pending): void => {
    trace.push(each.what)
    pending.splice(pending.indexOf(each), 1)
    each.happen()
  }

  const begin = (async (): Promise<void> => {
    const [a, b] = [start('a'), start('b')]
    await a.ownership.activate(await a.ownership.create('w'))
    started = true
    target(b).catch((error: unknown) => trace.push(`b: ${isDwcpError(error) ? error.code : String(error)}`))
    source(a).then(
      () => (settled = true),
      (error: unknown) => trace.push(`a fails: ${error instanceof DwcpError ? error.code : String(error)}`),
    )
  })()

  return {
    trace,
    async settle() {
      await begin
      for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    },
    advance() {
      const [first] = pending
      if (first !== undefined) {
        happen(first)
        return true
      }
      return clock.next(LIMIT_MS)
    },
    deviations() {
      const all: Deviation[] = []
      pending.forEach((each, at) => {
        if (at > 0) all.push({ what: `early: ${each.what}`, do: () => happen(each) })
        if (each.kind === 'message') {
          all.push({ what: `lost: ${each.what}`, do: () => void pending.splice(pending.indexOf(each), 1) })
          all.push({ what: `twice: ${each.what}`, do: () => (enqueue({ ...each, what: `${each.what} again` }), happen(each)) })
        }
        if (each.kind === 'write' && !crashed[each.side]) {
          all.push({
            what: `dies after: ${each.what}`,
            do() {
              // The record is on the disk by the time the node is gone, and nothing that follows it happens.
              happen(each)
              queueMicrotask(() => crash(each.side))
            },
          })
        }
      })
      for (const side of ['a', 'b'] as const) if (!crashed[side]) all.push({ what: `crash ${side}`, do: () => crash(side) })
      if (pending.length > 0) all.push({ what: 'time passes', do: () => void clock.next(LIMIT_MS) })
      if (!aborted) all.push({ what: 'abort', do: () => ((aborted = true), abort.abort(new Error('aborted'))) })
      if (!tookBack) all.push({ what: 'take back', do: () => void (tookBack = true) })
      return all
    },
    problem(atRest) {
      if (running.a && running.b) return 'it runs on both'
      if (disks.a.get('w')?.state === 'held' && disks.b.get('w')?.state === 'held') return 'both journals hold it'
      if (!atRest) return undefined
      if (!crashed.a && !settled) return 'the source never learns where it is'
      if (running.a || running.b || crashed.a) return undefined
      const record = disks.b.get('w')
      return crashed.b && record?.state === 'held' && record.active ? undefined : 'it runs nowhere, though its owner was not killed'
    },
  }
}
