/** Finds changed pages by comparing with a copy: works anywhere, costs the copy and a pass over the memory. */
export class ComparedPages {
  readonly #pageBytes: number
  #copy: Buffer

  constructor(memory: ArrayBuffer, pageBytes: number) {
    this.#pageBytes = pageBytes
    this.#copy = Buffer.from(memory.slice(0))
  }

  /** Ascending numbers of the pages whose content changed. What grew is compared with zeros. */
  collect(memory: ArrayBuffer): Uint32Array {
    const now = Buffer.from(memory)
    if (now.length !== this.#copy.length) {
      const resized = Buffer.alloc(now.length)
      this.#copy.copy(resized)
      this.#copy = resized
    }
    const pages: number[] = []
    for (let from = 0; from < now.length; from += this.#pageBytes) {
      const to = Math.min(from + this.#pageBytes, now.length)
      if (now.compare(this.#copy, from, to, from, to) === 0) continue
      now.copy(this.#copy, from, from, to)
      pages.push(from / this.#pageBytes)
    }
    return Uint32Array.from(pages)
  }
}
