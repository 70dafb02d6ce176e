import type { Address, Clock } from '@dwcp/interface'
import { amstError } from './errors.js'

/** Runs `work` under a deadline and the caller's signal. */
export async function within<T>(
  clock: Clock,
  timeoutMs: number,
  outer: AbortSignal | undefined,
  address: Address,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const control = new AbortController()
  const abort = (): void => control.abort(outer?.reason)
  const timer = clock.after(timeoutMs, () =>
    control.abort(
      amstError('ERR_AMST_TIMEOUT', `${address.host}:${address.port} did not answer within ${timeoutMs} ms`, { retryable: true }),
    ),
  )
  outer?.addEventListener('abort', abort, { once: true })
  if (outer?.aborted) abort()
  try {
    return await work(control.signal)
  } finally {
    timer[Symbol.dispose]()
    outer?.removeEventListener('abort', abort)
  }
}
