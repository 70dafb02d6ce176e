/** Messages to one peer while there is no session: bounded, in order. */
export interface Letter {
  readonly channel: string
  readonly payload: Uint8Array
  readonly expiresAtMs: number
  readonly datagram: boolean
}

/** More than a letter costs in the session's queue beyond its bytes: what is accepted here has room there. */
const LETTER_COST_BYTES = 512

export class Outbox {
  readonly #limits: { readonly letters: number; readonly bytes: number }
  #letters: Letter[] = []
  #bytes = 0

  constructor(limits: { readonly letters: number; readonly bytes: number }) {
    this.#limits = limits
  }

  /** @returns false when it is full. */
  push(letter: Letter): boolean {
    const costBytes = letter.payload.byteLength + LETTER_COST_BYTES
    if (this.#letters.length >= this.#limits.letters || this.#bytes + costBytes > this.#limits.bytes) return false
    this.#letters.push(letter)
    this.#bytes += costBytes
    return true
  }

  drain(): readonly Letter[] {
    const letters = this.#letters
    this.#letters = []
    this.#bytes = 0
    return letters
  }
}
