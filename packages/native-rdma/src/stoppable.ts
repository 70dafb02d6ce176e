/**
 * Starts a native job that ends within milliseconds when `signal` aborts, and then rejects with its reason. The job is handed a word of
 * memory that its kernel polls; it is started without one where there is no signal.
 */
export async function stoppable<Result>(signal: AbortSignal | undefined, start: (stop?: Int32Array) => Promise<Result>): Promise<Result> {
  if (signal === undefined) return start()
  signal.throwIfAborted()
  const stop = new Int32Array(1)
  const set = (): void => void Atomics.store(stop, 0, 1)
  signal.addEventListener('abort', set)
  try {
    return await start(stop)
  } finally {
    signal.removeEventListener('abort', set)
    signal.throwIfAborted()
  }
}
