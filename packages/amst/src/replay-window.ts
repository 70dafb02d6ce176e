/** How far behind the highest a number may be: more reordering than paths show. */
export const REPLAY_WINDOW = 1024

/** Which numbers have come, each of which is taken once: a window as in RFC 4303, 3.4.3, and RFC 9147, 4.5.1. */
export class ReplayWindow {
  /** By number modulo the window, the last one that was taken. */
  readonly #taken: Float64Array = new Float64Array(REPLAY_WINDOW).fill(-1)
  #highest = -1

  /** Of those that were taken; -1: none was. */
  get highest(): number {
    return this.#highest
  }

  isNew(number: number): boolean {
    return number > this.#highest - REPLAY_WINDOW && this.#taken[number % REPLAY_WINDOW] !== number
  }

  /** @returns false where it was taken before, or is too far behind to tell. Only of numbers that are authentic: it moves the window. */
  take(number: number): boolean {
    if (!this.isNew(number)) return false
    this.#taken[number % REPLAY_WINDOW] = number
    this.#highest = Math.max(this.#highest, number)
    return true
  }
}
