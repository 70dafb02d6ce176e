const WAYS = 8
const SLOTS_MIN = 1024
const EMPTY = 0xffffffff

/**
 * Where a page with this content was last seen: a set-associative table from 32 bits of the page's hash to its number.
 *
 * Lossy on purpose. Entries go stale when a page is overwritten and are evicted when a set is full; whoever asks compares
 * bytes anyway, so a wrong answer costs a comparison and never a wrong page. 8 bytes a slot, about two slots a page.
 */
export class PageIndex {
  #tags: Uint32Array
  #numbers: Uint32Array
  #used = 0
  readonly #slotsMax: number

  constructor(pages: number) {
    this.#slotsMax = Math.max(SLOTS_MIN, 2 ** Math.ceil(Math.log2(Math.max(1, pages) * 2)))
    this.#tags = new Uint32Array(SLOTS_MIN)
    this.#numbers = new Uint32Array(SLOTS_MIN).fill(EMPTY)
  }

  /** A candidate, or undefined. The bytes must be compared. */
  find(tag: number): number | undefined {
    const first = this.#firstSlot(tag)
    for (let slot = first; slot < first + WAYS; slot += 1) {
      if (this.#tags[slot] === tag && this.#numbers[slot] !== EMPTY) return this.#numbers[slot]
    }
    return undefined
  }

  /** @param pages - In use now: stale entries shall not make the table larger than these need. */
  insert(tag: number, pageNumber: number, pages: number): void {
    if (this.#used * 2 >= this.#tags.length && this.#tags.length < Math.min(this.#slotsMax, pages * 2)) this.#grow()
    this.#put(tag, pageNumber)
  }

  /** An independent copy, for `pages` pages. */
  fork(pages: number): PageIndex {
    const copy = new PageIndex(pages)
    copy.#tags = this.#tags.slice()
    copy.#numbers = this.#numbers.slice()
    copy.#used = this.#used
    return copy
  }

  /** All of another one, shifted. */
  insertAll(other: PageIndex, shift: number): void {
    const pages = this.#used + other.#used
    for (const [slot, number] of other.#numbers.entries()) if (number !== EMPTY) this.insert(other.#tags[slot] ?? 0, number + shift, pages)
  }

  get lengthBytes(): number {
    return this.#tags.byteLength + this.#numbers.byteLength
  }

  #put(tag: number, pageNumber: number): void {
    const first = this.#firstSlot(tag)
    // Which one goes when the set is full: any choice will do that does not always hit the same slot.
    let chosen = first + (pageNumber % WAYS)
    for (let slot = first; slot < first + WAYS; slot += 1) {
      const number = this.#numbers[slot]
      if (number === EMPTY || number === pageNumber || this.#tags[slot] === tag) {
        chosen = slot
        break
      }
    }
    if (this.#numbers[chosen] === EMPTY) this.#used += 1
    this.#tags[chosen] = tag
    this.#numbers[chosen] = pageNumber
  }

  #firstSlot(tag: number): number {
    return (tag % (this.#tags.length / WAYS)) * WAYS
  }

  #grow(): void {
    const tags = this.#tags
    const numbers = this.#numbers
    this.#tags = new Uint32Array(tags.length * 2)
    this.#numbers = new Uint32Array(numbers.length * 2).fill(EMPTY)
    this.#used = 0
    for (const [slot, number] of numbers.entries()) {
      if (number !== EMPTY) this.#put(tags[slot] ?? 0, number)
    }
  }
}
