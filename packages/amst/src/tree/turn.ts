/** What the loop is held for at most by small files, which are read and written by calls that return at once. */
const TURN_MS = 4

/** Lets everything else have its turn, once there has been work for a while. */
export class Turn {
  #sinceMs = performance.now()

  get isOver(): boolean {
    return performance.now() - this.#sinceMs > TURN_MS
  }

  async pass(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#sinceMs = performance.now()
  }
}
