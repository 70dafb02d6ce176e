import type { ListedFile } from './walk.js'

/** A file that the receiver lacks. */
export interface WantedFile {
  readonly entry: number
  readonly file: ListedFile
  readonly sizeBytes: number
}

/** Files below this go together, and as many in one object as reach it. */
export const PACK_BYTES = 1_048_576

/** What is to be sent next: of large files the largest, small ones as they were listed. */
export class WantedFiles {
  #large: WantedFile[] = []
  #isSorted = true
  #small: WantedFile[] = []
  #firstSmall = 0
  #smallBytes = 0

  add(wanted: WantedFile): void {
    if (wanted.sizeBytes >= PACK_BYTES) {
      this.#large.push(wanted)
      this.#isSorted = false
      return
    }
    this.#small.push(wanted)
    this.#smallBytes += wanted.sizeBytes
  }

  get hasSmall(): boolean {
    return this.#firstSmall < this.#small.length
  }

  get hasWholePack(): boolean {
    return this.#smallBytes >= PACK_BYTES
  }

  takeLarge(): WantedFile | undefined {
    if (!this.#isSorted) this.#large.sort((a, b) => a.sizeBytes - b.sizeBytes)
    this.#isSorted = true
    return this.#large.pop()
  }

  takePack(): readonly WantedFile[] {
    const first = this.#firstSmall
    let bytes = 0
    while (bytes < PACK_BYTES && this.#firstSmall < this.#small.length) {
      bytes += this.#small[this.#firstSmall]?.sizeBytes ?? 0
      this.#firstSmall += 1
    }
    this.#smallBytes -= bytes
    const pack = this.#small.slice(first, this.#firstSmall)
    // Rarely, because it moves all that are left.
    if (this.#firstSmall > this.#small.length / 2) {
      this.#small = this.#small.slice(this.#firstSmall)
      this.#firstSmall = 0
    }
    return pack
  }
}
