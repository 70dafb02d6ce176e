import { setImmediate as nextTurn } from 'node:timers/promises'

/** Bytes looked at on the calling thread between two turns of the loop: about a millisecond of comparing or copying. */
const STRETCH_BYTES = 4 * 1024 * 1024

/** Lets the loop run, and an abort be heard, between two stretches of work on the calling thread. */
export class Breathing {
  readonly #signal: AbortSignal | undefined
  #sinceBytes = 0

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    signal?.throwIfAborted()
  }

  /** Counts work that was done. @returns whether it is time for {@link pause}; a promise for each block would cost more than the block. */
  isDue(workBytes: number): boolean {
    this.#sinceBytes += workBytes
    return this.#sinceBytes >= STRETCH_BYTES
  }

  async pause(): Promise<void> {
    this.#sinceBytes = 0
    await nextTurn()
    this.#signal?.throwIfAborted()
  }
}
