import { invalidReply } from './reply.js'

/** Where the chain of the program `hash-chain` stands. */
export interface HashChainStatus {
  readonly links: number
  readonly head: number
  readonly former: number
  /** The program's clock. */
  readonly nowMs: number
}

/**
 * Requests of the program `hash-chain`.
 *
 * @public
 */
export const hashChain = {
  /** Asks where the chain stands. */
  status: (): Uint8Array => Uint8Array.of(0),
  /** Sets the pace; 0 is as fast as it goes. @defaultValue 1,000,000 */
  pace(linksPerSecond: number): Uint8Array {
    const bytes = new Uint8Array(5)
    bytes[0] = 1
    new DataView(bytes.buffer).setUint32(1, linksPerSecond, true)
    return bytes
  },
  /** Reads the reply to either. */
  decode(reply: Uint8Array): HashChainStatus {
    if (reply.length !== 24) throw invalidReply('hash-chain', reply, 24)
    const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength)
    return {
      links: view.getFloat64(0, true),
      head: view.getUint32(8, true),
      former: view.getUint32(12, true),
      nowMs: view.getFloat64(16, true),
    }
  },
} as const

const WORDS = 16384

/**
 * Computes the chain of `hash-chain` on its own, without the program, as far as it is asked.
 *
 * @public
 * @example
 * ```ts
 * import { HashChainVerifier } from '@dwcp/migration'
 * const verifier = new HashChainVerifier()
 * console.log(verifier.verify({ links: 0, head: 0x243f6a88, former: 0x85a308d3, nowMs: 0 })) // true
 * ```
 */
export class HashChainVerifier {
  readonly #table = Uint32Array.from({ length: WORDS }, (_, i) => Math.imul(i, 0x9e3779b1) + 0x7f4a7c15)
  #links = 0
  #head = 0x243f6a88
  #former = 0x85a308d3

  /** Whether `status` is what the chain must be there. Statuses come in order. Throws RangeError for one that lies behind. */
  verify(status: HashChainStatus): boolean {
    if (!(status.links >= this.#links)) throw new RangeError(`the chain was followed to ${this.#links}; ${status.links} lies behind`)
    const table = this.#table
    let head = this.#head | 0
    let former = this.#former | 0
    for (let number = this.#links; number < status.links; number++) {
      let mixed = Math.imul(head ^ number, 0x9e3779b1)
      mixed ^= mixed >>> 15
      mixed = (mixed + (table[former & (WORDS - 1)] ?? 0)) | 0
      mixed = (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
      former = head
      head = mixed
      const at = (mixed >>> 7) & (WORDS - 1)
      table[at] = (table[at] ?? 0) + (mixed ^ number)
    }
    this.#links = status.links
    this.#head = head >>> 0
    this.#former = former >>> 0
    return this.#head === status.head && this.#former === status.former
  }
}
