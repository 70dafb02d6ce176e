/** Gives each value to every iteration that is open. An iteration that does not keep up loses the oldest values. */
export interface Broadcast<T> {
  send(value: T): void
  /** Ends when the broadcast is closed, or rejects with the signal's reason. */
  listen(options?: { readonly signal?: AbortSignal }): AsyncIterable<T>
  close(): void
}

const MAX_QUEUED = 1024

export function createBroadcast<T>(): Broadcast<T> {
  const listeners = new Set<{ readonly queue: T[]; wake: () => void }>()
  let closed = false
  return {
    send(value) {
      for (const listener of listeners) {
        listener.queue.push(value)
        if (listener.queue.length > MAX_QUEUED) listener.queue.shift()
        listener.wake()
      }
    },
    async *listen({ signal } = {}) {
      const queue: T[] = []
      const listener = { queue, wake: (): void => undefined }
      const onAbort = (): void => listener.wake()
      listeners.add(listener)
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        // Ends when the broadcast closes, with the signal, or when its reader leaves.
        for (;;) {
          signal?.throwIfAborted()
          const value = queue.shift()
          if (value !== undefined) yield value
          else if (closed) return
          else await new Promise<void>((resolve) => (listener.wake = resolve))
        }
      } finally {
        listeners.delete(listener)
        signal?.removeEventListener('abort', onAbort)
      }
    },
    close() {
      closed = true
      for (const listener of listeners) listener.wake()
    },
  }
}
