const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const open = new Set<Removable>()

/** What outlives the process that made it. */
export interface Removable {
  /** Without waiting: the process is about to end. */
  removeNow(): void
}

/** Removes the place when this process ends by itself or by a signal; after a SIGKILL it stays. */
export function removeAtExit(place: Removable): Disposable {
  if (open.size === 0) {
    process.on('exit', removeAll)
    for (const signal of SIGNALS) process.on(signal, onSignal)
  }
  open.add(place)
  return {
    [Symbol.dispose]() {
      open.delete(place)
      if (open.size > 0) return
      process.off('exit', removeAll)
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}

function removeAll(): void {
  for (const place of open) place.removeNow()
  open.clear()
}

function onSignal(signal: NodeJS.Signals): void {
  // Where the application listens too, it decides whether the process ends; 'exit' cleans up if it does.
  if (process.listenerCount(signal) > 1) return
  removeAll()
  process.off(signal, onSignal)
  process.kill(process.pid, signal)
}
