import { type Clock, type Random, systemClock } from '@dwcp/interface'

export interface BackoffOptions {
  readonly firstMs: number
  readonly maxMs: number
  readonly clock?: Clock
  readonly random?: Random
}

/** Waits between attempts: doubling up to a cap, each drawn from the upper half of its range so that many callers spread. */
export class Backoff {
  readonly #options: BackoffOptions
  #nextMs: number
  #wake: () => void = () => undefined

  constructor(options: BackoffOptions) {
    this.#options = options
    this.#nextMs = options.firstMs
  }

  /** Resolves after the pause, or at {@link Backoff.reset}. */
  async pause(): Promise<void> {
    const { clock = systemClock, maxMs, random } = this.#options
    const chance = random ? random.uint32() / 2 ** 32 : Math.random()
    const pauseMs = this.#nextMs * (0.5 + chance / 2)
    this.#nextMs = Math.min(maxMs, this.#nextMs * 2)
    await new Promise<void>((resolve) => {
      const timer = clock.after(pauseMs, resolve)
      this.#wake = () => {
        timer[Symbol.dispose]()
        resolve()
      }
    })
  }

  /** Ends a pause at once, and starts over. */
  reset(): void {
    this.#nextMs = this.#options.firstMs
    this.#wake()
  }
}
