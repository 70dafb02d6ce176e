/**
 * The same parts, until the signal aborts: also where the source says nothing more. Its `return` is called then, and not waited for
 * where a part is still awaited, because a generator takes it only after that.
 */
export function untilAborted(source: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  return signal === undefined ? source : { [Symbol.asyncIterator]: () => new StoppableIterator(source[Symbol.asyncIterator](), signal) }
}

class StoppableIterator implements AsyncIterator<Uint8Array, undefined> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #signal: AbortSignal
  #isAwaited = false

  constructor(source: AsyncIterator<Uint8Array>, signal: AbortSignal) {
    this.#source = source
    this.#signal = signal
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    let stop = (): void => undefined
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(this.#signal.reason)
      if (this.#signal.aborted) stop()
      else this.#signal.addEventListener('abort', stop, { once: true })
    })
    try {
      this.#isAwaited = !this.#signal.aborted
      const { done, value } = await (this.#isAwaited ? Promise.race([this.#source.next(), stopped]) : stopped)
      this.#isAwaited = false
      return done === true ? { done, value: undefined } : { done: false, value }
    } catch (error) {
      if (this.#signal.aborted) await this.return()
      throw error
    } finally {
      this.#signal.removeEventListener('abort', stop)
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    const returned = this.#source.return?.()
    if (!this.#isAwaited) await returned
    else returned?.catch(() => undefined)
    return { done: true, value: undefined }
  }
}
