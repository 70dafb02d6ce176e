/** Values for one reader, in order. The writer keeps the bound: it asks `length` first. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #values: T[] = []
  #ended = false
  #wake: () => void = () => undefined

  get length(): number {
    return this.#values.length
  }

  push(value: T): void {
    if (this.#ended) return
    this.#values.push(value)
    this.#wake()
  }

  /** Takes a value back that nobody has read. */
  drop(value: T): void {
    const at = this.#values.indexOf(value)
    if (at >= 0) this.#values.splice(at, 1)
  }

  /** What is in it can still be read. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    // Until its end, at the pace of its reader.
    for (;;) {
      const value = this.#values.shift()
      if (value !== undefined) yield value
      else if (this.#ended) return
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}
