/** What a bucket holds at most, in time: late timers must not cost rate, and what follows them must not come as a burst. */
export const BURST_MS = 50

/**
 * A rate in bytes per second. Whoever finds it above empty takes a whole piece, and the next waits until that is paid for: over any time
 * no more is taken than the rate gives, {@link BURST_MS} of it, and one piece.
 */
export class TokenBucket {
  #bytesPerSecond: number
  #heldBytes: number
  #filledMs: number

  /** Full. `Infinity`: no limit. */
  constructor(bytesPerSecond: number, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond
    this.#heldBytes = this.#mostBytes
    this.#filledMs = nowMs
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond
  }

  /** From now on; what is held or owed stays. */
  set(bytesPerSecond: number, nowMs: number): void {
    this.#fill(nowMs)
    const wasUnlimited = this.#bytesPerSecond === Number.POSITIVE_INFINITY
    this.#bytesPerSecond = bytesPerSecond
    this.#heldBytes = wasUnlimited ? this.#mostBytes : Math.min(this.#heldBytes, this.#mostBytes)
  }

  spend(bytes: number, nowMs: number): void {
    this.#fill(nowMs)
    if (this.#bytesPerSecond !== Number.POSITIVE_INFINITY) this.#heldBytes -= bytes
  }

  /** Until something may be taken. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs)
    return this.#heldBytes > 0 ? 0 : ((1 - this.#heldBytes) * 1000) / this.#bytesPerSecond
  }

  get #mostBytes(): number {
    return Math.max(1, (this.#bytesPerSecond * BURST_MS) / 1000)
  }

  #fill(nowMs: number): void {
    const passedMs = nowMs - this.#filledMs
    this.#filledMs = nowMs
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) this.#heldBytes = this.#mostBytes
    else this.#heldBytes = Math.min(this.#mostBytes, this.#heldBytes + (this.#bytesPerSecond * passedMs) / 1000)
  }
}
