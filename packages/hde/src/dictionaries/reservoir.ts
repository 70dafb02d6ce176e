/** A uniform sample of what was offered (algorithm R, Vitter 1985), of at most `count` objects and `bytes` bytes. */
export class Reservoir {
  #count: number
  readonly #bytes: number
  readonly #random: () => number
  readonly #objects: Uint8Array[] = []
  #held = 0
  #seen = 0

  constructor(count: number, bytes: number, random: () => number) {
    this.#count = count
    this.#bytes = bytes
    this.#random = random
  }

  get seen(): number {
    return this.#seen
  }

  get objects(): readonly Uint8Array[] {
    return [...this.#objects]
  }

  /** @param make - Called where the object is taken; its bytes are kept. */
  offer(make: () => Uint8Array): void {
    this.#seen += 1
    const at = this.#objects.length < this.#count ? this.#objects.length : Math.floor(this.#random() * this.#seen)
    if (at >= this.#count) return
    const object = make()
    if (object.length > this.#bytes) return
    this.#held += object.length - (this.#objects[at]?.length ?? 0)
    this.#objects[at] = object
    while (this.#held > this.#bytes) {
      const [gone] = this.#objects.splice(Math.floor(this.#random() * this.#objects.length), 1)
      this.#held -= gone?.length ?? 0
      // Or later ones would find room that the earlier ones had not.
      this.#count = this.#objects.length
    }
  }
}
