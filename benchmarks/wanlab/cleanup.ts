import type { WanPlace } from './place.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const open = new Set<WanPlace>()

/** Removes the place when this process ends by itself or by a signal; a SIGKILL is left to the next lab's sweep. */
export function removeAtExit(place: WanPlace): Disposable {
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
