/** Wakes all who wait for it. */
export class Signal {
  #wake: () => void = () => undefined
  #fired: Promise<void> = Promise.resolve()
  #isAwaited = false

  /** Until the next {@link Signal.fire}. */
  wait(): Promise<void> {
    if (!this.#isAwaited) {
      this.#isAwaited = true
      this.#fired = new Promise((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#fired
  }

  fire(): void {
    this.#isAwaited = false
    this.#wake()
  }
}
