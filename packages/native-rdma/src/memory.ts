import { DwcpError } from '@dwcp/interface'
import { type Addon, type Held, loadAddon } from './addon.js'
import { type NativeErrorCode, unavailable } from './errors.js'
import { ComparedPages } from './memory-compare.js'

export type { NativeErrorCode } from './errors.js'

/**
 * How to find dirty pages.
 *
 * @public
 */
export interface TrackDirtyPagesOptions {
  /** The size of a page; the kernel's page tables know no other. @defaultValue 4096 */
  readonly pageBytes?: 4096
  /** Insists on one way. @defaultValue userfaultfd where the host offers it, else compare */
  readonly backend?: 'userfaultfd' | 'compare'
}

/**
 * - `userfaultfd` (Linux 6.7, the addon): a page counts when it was written, whatever with. 1.2 µs for the first write to a page,
 *   under a millisecond for a collect of 256 MiB (docs: README).
 * - `compare`: a page counts when its content changed. Costs a copy of the memory and a pass over both.
 * @public
 */
export interface DirtyTracker {
  readonly backend: 'userfaultfd' | 'compare'
  /** Why this backend. */
  readonly reason: string
  /**
   * Ascending numbers of the pages written since the tracker was made or last collected, which are armed again in the same step.
   * Follows growth: of new pages those count that hold anything but zeros. When the memory has moved or shrunk, or the kernel refuses
   * all of a sudden, every page counts once, `process.emitWarning` says why, and tracking begins anew.
   *
   * @throws `ERR_NATIVE_CLOSED` after `close`.
   */
  collect(): Uint32Array
  /** Takes the tracking off. Idempotent. */
  close(): void
}

const PAGE_BYTES = 4096

/** One way of tracking, from when it was begun; a string from `collect` says why it cannot go on. */
interface Tracking {
  readonly backend: DirtyTracker['backend']
  readonly reason: string
  collect(memory: ArrayBuffer): Uint32Array | string
  stop(): void
}

/**
 * Tracks which pages of a memory are written. `memory` is called at each collect, because growing replaces the buffer:
 * `() => instance.memory.buffer`. The memory must stay alive until `close`; one tracker at a time for one memory.
 *
 * @throws `ERR_NATIVE_UNAVAILABLE` when `backend` asks for `userfaultfd` and the host refuses it.
 *
 * @example
 * ```ts
 * import { trackDirtyPages } from '@dwcp/native-rdma/memory'
 * const memory = new WebAssembly.Memory({ initial: 16 })
 * const tracker = trackDirtyPages(() => memory.buffer)
 * new Uint8Array(memory.buffer)[5000] = 1
 * console.log(tracker.collect()) // Uint32Array [ 1 ]
 * tracker.close()
 * ```
 * @public
 */
export function trackDirtyPages(memory: () => ArrayBuffer, options: TrackDirtyPagesOptions = {}): DirtyTracker {
  const { backend } = options
  const pageBytes: number = options.pageBytes ?? PAGE_BYTES
  if (pageBytes !== PAGE_BYTES) throw new RangeError(`pageBytes must be ${PAGE_BYTES}, not ${pageBytes}`)
  let tracking: Tracking | undefined = begin(memory(), backend)
  if (backend === 'userfaultfd' && tracking.backend !== backend) {
    throw unavailable('dirty-page tracking by userfaultfd', tracking.reason)
  }
  let { backend: kind, reason } = tracking

  return {
    get backend() {
      return kind
    },
    get reason() {
      return reason
    },
    collect() {
      if (tracking === undefined) {
        throw new DwcpError<NativeErrorCode>('ERR_NATIVE_CLOSED', 'the tracker is closed: make another with trackDirtyPages()')
      }
      const now = memory()
      const written = tracking.collect(now)
      if (typeof written !== 'string') return written
      tracking.stop()
      tracking = begin(now, backend)
      kind = tracking.backend
      reason = `${tracking.reason} (begun anew: ${written})`
      process.emitWarning(`dirty-page tracking begins anew (${kind}), every page counts as written: ${written}`, { code: 'DWCP_TRACKING' })
      return Uint32Array.from({ length: Math.ceil(now.byteLength / PAGE_BYTES) }, (_, page) => page)
    },
    close() {
      tracking?.stop()
      tracking = undefined
    },
  }
}

function begin(memory: ArrayBuffer, backend: DirtyTracker['backend'] | undefined): Tracking {
  if (backend === 'compare') return beginComparing(memory, 'asked for')
  const found = loadAddon()
  if ('problem' in found) return beginComparing(memory, `no addon: ${found.problem}`)
  const started = found.addon.dirtyPagesStart(memory)
  return typeof started === 'string' ? beginComparing(memory, started) : beginWatching(found.addon, started)
}

function beginWatching(addon: Addon, pages: Held<'memory'>): Tracking {
  return {
    backend: 'userfaultfd',
    reason: 'asynchronous write protection and PAGEMAP_SCAN',
    collect: (memory) => addon.dirtyPagesCollect(pages, memory),
    stop: () => addon.dirtyPagesStop(pages),
  }
}

function beginComparing(memory: ArrayBuffer, reason: string): Tracking {
  const pages = new ComparedPages(memory, PAGE_BYTES)
  return { backend: 'compare', reason, collect: (now) => pages.collect(now), stop: () => {} }
}
