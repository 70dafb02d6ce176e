const LEAST_BYTES = 64

/** Pages of a region, one bit each up to the last that was ever added. */
export class PageSet {
  readonly #maxPages: number
  #bits: Uint8Array = new Uint8Array(0)

  constructor(maxPages: number) {
    this.#maxPages = maxPages
  }

  has(page: number): boolean {
    return ((this.#bits[page >>> 3] ?? 0) & (1 << (page & 7))) !== 0
  }

  add(page: number): void {
    const index = page >>> 3
    if (index >= this.#bits.length) {
      const grown = new Uint8Array(Math.min(Math.ceil(this.#maxPages / 8), Math.max(LEAST_BYTES, (index + 1) * 2)))
      grown.set(this.#bits)
      this.#bits = grown
    }
    this.#bits[index] = (this.#bits[index] ?? 0) | (1 << (page & 7))
  }

  /** All of them, ascending; each is gone once it was given. */
  *take(): Generator<number> {
    for (let index = 0; index < this.#bits.length; index += 1) {
      for (let bits = this.#bits[index] ?? 0; bits !== 0; bits &= bits - 1) {
        this.#bits[index] = bits & (bits - 1)
        yield index * 8 + 31 - Math.clz32(bits & -bits)
      }
    }
  }

  copy(maxPages: number): PageSet {
    const copy = new PageSet(maxPages)
    copy.#bits = this.#bits.slice()
    return copy
  }

  get lengthBytes(): number {
    return this.#bits.length
  }
}
