import type { Clock } from '@dwcp/interface'

/**
 * Gives each value to every iteration that is open. One that does not keep up gets the last value of each key, so that
 * what waits for it is bounded by the keys there are. While somebody listens, `poll` is called again and again.
 */
export class Feeds<T> {
  readonly #open = new Set<Feed<T>>()
  readonly #clock: Clock
  readonly #pollMs: number
  readonly #poll: () => void
  #timer: Disposable | undefined
  #isClosed = false

  constructor(clock: Clock, pollMs: number, poll: () => void) {
    this.#clock = clock
    this.#pollMs = pollMs
    this.#poll = poll
  }

  send(key: string, value: T): void {
    for (const feed of this.#open) feed.push(key, value)
  }

  /** Listens from the moment that its iteration begins, until that is left or everything is closed. */
  listen(): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        const feed = new Feed<T>(() => this.#open.delete(feed))
        if (this.#isClosed) feed.end()
        else this.#open.add(feed)
        this.#pollLater()
        return feed
      },
    }
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.[Symbol.dispose]()
    for (const feed of [...this.#open]) feed.end()
  }

  #pollLater(): void {
    if (this.#timer !== undefined || this.#open.size === 0) return
    this.#timer = this.#clock.after(this.#pollMs, () => {
      this.#timer = undefined
      this.#poll()
      this.#pollLater()
    })
  }
}

class Feed<T> implements AsyncIterator<T, undefined> {
  readonly #values = new Map<string, T>()
  readonly #left: () => void
  #wake: (() => void) | undefined
  #isOver = false

  constructor(left: () => void) {
    this.#left = left
  }

  push(key: string, value: T): void {
    this.#values.delete(key)
    this.#values.set(key, value)
    this.#wake?.()
  }

  end(): void {
    this.#isOver = true
    this.#left()
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#values.size === 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve))
    for (const [key, value] of this.#values) {
      this.#values.delete(key)
      return { done: false, value }
    }
    return { done: true, value: undefined }
  }

  /** Unlike that of a generator it ends a `next` that waits. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#values.clear()
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }
}
