import type { ExportControl, StateChunk } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { createPageTree } from '../page-tree.js'
import { opaqueParts } from './opaque-parts.js'
import { SpareBuffers } from './spare-buffers.js'
import { BATCH_PAGES, PAGE_BYTES } from './state-digest.js'
import type { WorkerThread } from './worker-thread.js'

export interface ExportSource {
  readonly thread: WorkerThread
  readonly module: Uint8Array
  readonly maxMemoryBytes: number
  readonly hash: Hash
  /** Stops the workload; gives the pages written since the last collect. */
  stop(signal: AbortSignal): Promise<Uint32Array>
}

/** Copies under way beside the one that the reader has: enough to keep the worker busy, too few to hold up the program. */
const COPIES_AHEAD = 2
const STEERING_POLL_MS = 5
/** Without dirty pages a pass is over at once: this is how long the next one waits, so that rounds do not spin. */
const IDLE_ROUND_MS = 20

/**
 * Pre-copy of a running workload. Each page goes out with the content it has when it is copied; what the program writes
 * after that is in a later dirty set, since tracking begins before the first copy and never pauses.
 */
export async function* exportState(source: ExportSource, control: ExportControl): AsyncGenerator<StateChunk, void, undefined> {
  const { thread } = source
  const { signal } = control
  signal.throwIfAborted()
  const { pages } = await thread.call('track', undefined, { signal })
  const lengthBytes = pages * PAGE_BYTES
  const tree = createPageTree(source.hash, [{ pageBytes: PAGE_BYTES, lengthBytes, maxLengthBytes: source.maxMemoryBytes }])
  const opaque = (bytes: Uint8Array): StateChunk => {
    tree.opaque(bytes)
    return { kind: 'opaque', bytes }
  }
  // One more than are under way: the one that the reader has comes back only when it asks for more.
  const buffers = new SpareBuffers(BATCH_PAGES * PAGE_BYTES, COPIES_AHEAD + 2)
  const steering = followThrottle(thread, control)
  try {
    for (const part of opaqueParts('module', source.module)) yield opaque(part)
    let unsent: Uint32Array = Uint32Array.from({ length: pages }, (_, page) => page)
    let collectedAtMs = performance.now()
    while (!control.stop.aborted) {
      const batches = copies(thread, unsent, buffers, signal)
      let sent = 0
      for await (const batch of batches) {
        // What was copied ahead when the stop came is copied again afterwards: that is one MiB or two, and always right.
        if (control.stop.aborted) break
        tree.update(0, batch.pages, batch.bytes)
        sent += batch.pages.length
        yield { kind: 'pages', region: 0, ...batch }
        signal.throwIfAborted()
      }
      unsent = unsent.subarray(sent)
      if (control.stop.aborted) break
      if (unsent.length === 0) unsent = await thread.call('collect', undefined, { signal })
      const nowMs = performance.now()
      const dirtyBytes = unsent.length * PAGE_BYTES
      yield { kind: 'round', remainingBytes: dirtyBytes, dirtyBytesPerSecond: (dirtyBytes * 1000) / Math.max(1, nowMs - collectedAtMs) }
      signal.throwIfAborted()
      collectedAtMs = nowMs
      if (unsent.length === 0) await stopOrPause(control, IDLE_ROUND_MS)
    }
    const last = union(unsent, await source.stop(signal))
    yield { kind: 'stopped' }
    for await (const batch of copies(thread, last, buffers, signal)) {
      tree.update(0, batch.pages, batch.bytes)
      yield { kind: 'pages', region: 0, ...batch }
      signal.throwIfAborted()
    }
    const state = await thread.call('state', undefined, { signal })
    for (const part of opaqueParts('host', state)) yield opaque(part)
    yield { kind: 'final', digest: tree.root() }
  } finally {
    steering[Symbol.dispose]()
    // Not awaited: commands are taken in order, and a program that never ends its slice must not hold up the error that
    // says so. A worker that is gone tracks nothing any more; its end is reported by `finished`.
    for (const undone of [thread.call('untrack', undefined), thread.call('throttle', 0)]) undone.catch(() => undefined)
  }
}

interface Batch {
  readonly pages: Uint32Array
  readonly bytes: Uint8Array
}

/** The bytes of each batch are the reader's until it asks for the next one. */
async function* copies(
  thread: WorkerThread,
  pages: Uint32Array,
  buffers: SpareBuffers,
  signal: AbortSignal,
): AsyncGenerator<Batch, void, undefined> {
  const ahead: Promise<Batch>[] = []
  let next = 0
  const copyNext = (): void => {
    if (next >= pages.length) return
    const batch = pages.slice(next, next + BATCH_PAGES)
    next += batch.length
    const into = buffers.take()
    const copied = thread.call('copy', { pages: batch, into }, { signal, transfer: [into] }).then((bytes) => ({ pages: batch, bytes }))
    // Awaited in its turn, or never when the reader leaves: then nobody is left to be told.
    copied.catch(() => undefined)
    ahead.push(copied)
  }
  for (let i = 0; i <= COPIES_AHEAD; i++) copyNext()
  for (let batch = ahead.shift(); batch !== undefined; batch = ahead.shift()) {
    const copied = await batch
    yield copied
    buffers.giveBack(copied.bytes.buffer)
    copyNext()
  }
}

/** Ascending, each page once. Both are ascending. */
function union(first: Uint32Array, second: Uint32Array): Uint32Array {
  return Uint32Array.from(new Set([...first, ...second])).sort()
}

/** The engine changes a property; the worker learns of it within {@link STEERING_POLL_MS}. */
function followThrottle(thread: WorkerThread, control: ExportControl): Disposable {
  let told = 0
  const timer = setInterval(() => {
    const { throttleRatio } = control.steering
    if (throttleRatio === told) return
    told = throttleRatio
    thread.call('throttle', told).catch(() => clearInterval(timer))
  }, STEERING_POLL_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function stopOrPause(control: ExportControl, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer)
      control.stop.removeEventListener('abort', go)
      control.signal.removeEventListener('abort', go)
      resolve()
    }
    const timer = setTimeout(go, delayMs)
    control.stop.addEventListener('abort', go, { once: true })
    control.signal.addEventListener('abort', go, { once: true })
  })
}
