/** How far behind the latest a number may be. */
const WINDOW = 1024

/** Which numbers have come, each of which is taken once: a window as in RFC 4303, 3.4.3. */
export class ReplayWindow {
  readonly #taken = new Set<number>()
  #highest = 0

  isNew(number: number): boolean {
    return number > this.#highest - WINDOW && !this.#taken.has(number)
  }

  /** @returns false where it was taken before, or is too far behind to tell. Only of numbers that are authentic: it moves the window. */
  take(number: number): boolean {
    if (!this.isNew(number)) return false
    this.#taken.add(number)
    this.#highest = Math.max(this.#highest, number)
    for (const past of this.#taken) if (past <= this.#highest - WINDOW) this.#taken.delete(past)
    return true
  }
}
