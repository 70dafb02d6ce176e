import type { Hash } from '@dwcp/native-rdma/hash'
import { BLOCKS_AHEAD, type HaveRange } from './body.js'

const DIGEST_BYTES = 16
const FIRST_BLOCKS = 64
/** One that does not fit costs this many to send again. */
const RANGE_BLOCKS = 1024
/**
 * What is known of a block: a journal says that it is here; this end has looked, and it is; the sender has the same; it came. One that did
 * not come is here only when both ends have looked: a source may have changed since.
 */
const [CLAIMED, RIGHT, SAME, CAME] = [1, 2, 4, 8] as const

/** Which blocks of an object are here, and what they are. Grows with what comes, not with what is announced. */
export class BlockMap {
  readonly count: number
  #states: Uint8Array = new Uint8Array(FIRST_BLOCKS)
  #digests: Uint8Array = new Uint8Array(FIRST_BLOCKS * DIGEST_BYTES)
  #here = 0
  /** The first that was missing, at its furthest: what is refused later was passed already. */
  #frontier = 0

  constructor(count: number) {
    this.count = count
  }

  get isWhole(): boolean {
    return this.#here === this.count
  }

  /** Whether there is such a block, and it is not too far ahead. */
  mayCome(block: number): boolean {
    return block < this.count && block <= this.#frontier + BLOCKS_AHEAD
  }

  hasCome(block: number): boolean {
    return this.#is(block, CAME)
  }

  isClaimed(block: number): boolean {
    return this.#is(block, CLAIMED)
  }

  claim(block: number, digest: Uint8Array): void {
    this.#set(block, CLAIMED, digest)
  }

  /** This end has looked at a claimed one, and found it. */
  confirm(block: number): void {
    this.#agree(block, RIGHT)
  }

  /** The sender has compared what is claimed there with its own bytes. */
  compared(first: number, count: number, isSame: boolean): void {
    const end = Math.min(first + count, this.#states.length)
    for (let block = first; block < end; block += 1) {
      if (isSame) this.#agree(block, SAME)
      else this.refuse(block)
    }
  }

  /** It is claimed no more, and has to come. */
  refuse(block: number): void {
    if (!this.isClaimed(block)) return
    if (this.#isHere(block)) this.#here -= 1
    this.#states[block] = 0
  }

  place(block: number, digest: Uint8Array): void {
    if (!this.#isHere(block)) this.#here += 1
    this.#set(block, CAME, digest)
  }

  digestOf(block: number): Uint8Array {
    return this.#digests.subarray(block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES)
  }

  /** Of all blocks that there are: for a map that is whole. */
  digest(hash: Hash): Uint8Array {
    return hash.xxh3_128(this.#digests.subarray(0, this.count * DIGEST_BYTES))
  }

  /** What is claimed, as far as it fits into `most` ranges; the rest is claimed no more. */
  claims(hash: Hash, most: number): readonly HaveRange[] {
    const ranges: HaveRange[] = []
    for (let block = 0; block < this.#states.length; ) {
      let end = block
      while (end - block < RANGE_BLOCKS && this.isClaimed(end)) end += 1
      if (end === block) end += 1
      else if (ranges.length < most) {
        const digest = hash.xxh3_128(this.#digests.subarray(block * DIGEST_BYTES, end * DIGEST_BYTES))
        ranges.push({ first: block, count: end - block, digest })
      } else for (let dropped = block; dropped < end; dropped += 1) this.refuse(dropped)
      block = end
    }
    return ranges
  }

  #agree(block: number, state: typeof RIGHT | typeof SAME): void {
    if (!this.isClaimed(block) || this.#is(block, state)) return
    this.#states[block] = (this.#states[block] ?? 0) | state
    if (this.#isHere(block)) this.#here += 1
  }

  #isHere(block: number): boolean {
    return this.#is(block, CAME) || (this.#is(block, RIGHT) && this.#is(block, SAME))
  }

  #is(block: number, state: number): boolean {
    return ((this.#states[block] ?? 0) & state) !== 0
  }

  #set(block: number, state: number, digest: Uint8Array): void {
    if (block >= this.#states.length) this.#grow(block)
    this.#states[block] = state
    this.#digests.set(digest, block * DIGEST_BYTES)
    while (this.#frontier < this.#states.length && this.#states[this.#frontier] !== 0) this.#frontier += 1
  }

  #grow(block: number): void {
    const blocks = Math.min(this.count, Math.max(block + 1, this.#states.length * 2))
    const [states, digests] = [new Uint8Array(blocks), new Uint8Array(blocks * DIGEST_BYTES)]
    states.set(this.#states.subarray(0, blocks))
    digests.set(this.#digests.subarray(0, blocks * DIGEST_BYTES))
    this.#states = states
    this.#digests = digests
  }
}
