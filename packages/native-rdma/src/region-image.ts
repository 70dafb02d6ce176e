const SEGMENT_BYTES = 16 * 1024

/**
 * What the other side has of one region. Pages never written read as zeros.
 *
 * Kept in segments that forks share until one of them writes (copy on write), so that a kept baseline never changes while
 * transfers build on it, and so that zero memory costs nothing.
 */
export class RegionImage {
  readonly pageBytes: number
  readonly maxPages: number
  readonly #segmentPages: number
  readonly #segments: Map<number, Buffer>
  /** Segments that no fork shares. */
  readonly #owned = new Set<number>()
  /** One bit a page: whether it was ever written. */
  #held: Uint8Array
  #endPage: number

  constructor(pageBytes: number, maxPages: number, origin?: RegionImage) {
    this.pageBytes = pageBytes
    this.maxPages = maxPages
    this.#segmentPages = Math.max(1, SEGMENT_BYTES / pageBytes)
    this.#segments = new Map(origin?.segments())
    this.#held = origin === undefined ? new Uint8Array(0) : origin.#held.slice()
    this.#endPage = origin?.endPage ?? 0
    if (origin !== undefined) origin.#owned.clear()
  }

  /** One past the last page ever written. */
  get endPage(): number {
    return this.#endPage
  }

  segments(): ReadonlyMap<number, Buffer> {
    return this.#segments
  }

  holds(page: number): boolean {
    return ((this.#held[page >>> 3] ?? 0) & (1 << (page & 7))) !== 0
  }

  /** Whether there is anything but zeros around `page`: only then is its old content worth comparing with. */
  hasContent(page: number): boolean {
    return this.#segments.has(Math.floor(page / this.#segmentPages))
  }

  equals(page: number, bytes: Buffer, offset: number): boolean {
    const segment = this.#segments.get(Math.floor(page / this.#segmentPages))
    if (segment === undefined) return false
    const start = this.#offsetOf(page)
    return bytes.compare(segment, start, start + this.pageBytes, offset, offset + this.pageBytes) === 0
  }

  /** Into `target`, which holds zeros there. */
  read(page: number, target: Uint8Array, offset: number): void {
    const start = this.#offsetOf(page)
    this.#segments.get(Math.floor(page / this.#segmentPages))?.copy(target, offset, start, start + this.pageBytes)
  }

  write(page: number, bytes: Buffer, offset: number): void {
    bytes.copy(this.#writable(Math.floor(page / this.#segmentPages)), this.#offsetOf(page), offset, offset + this.pageBytes)
    this.#hold(page)
  }

  writeZeros(page: number): void {
    const index = Math.floor(page / this.#segmentPages)
    if (this.#segments.has(index)) {
      const start = this.#offsetOf(page)
      this.#writable(index).fill(0, start, start + this.pageBytes)
    }
    this.#hold(page)
  }

  get heldMapBytes(): number {
    return this.#held.length
  }

  get segmentsBytes(): number {
    return this.#segments.size * this.#segmentPages * this.pageBytes
  }

  #offsetOf(page: number): number {
    return (page % this.#segmentPages) * this.pageBytes
  }

  #writable(index: number): Buffer {
    const shared = this.#segments.get(index)
    if (shared !== undefined && this.#owned.has(index)) return shared
    // Slow buffers: a slice of Node's pool would keep strangers' bytes alive.
    const segment = shared === undefined ? Buffer.alloc(this.#segmentPages * this.pageBytes) : Buffer.allocUnsafeSlow(shared.length)
    shared?.copy(segment)
    this.#segments.set(index, segment)
    this.#owned.add(index)
    return segment
  }

  #hold(page: number): void {
    const index = page >>> 3
    if (index >= this.#held.length) {
      const grown = new Uint8Array(Math.min(Math.ceil(this.maxPages / 8), Math.max(64, (index + 1) * 2)))
      grown.set(this.#held)
      this.#held = grown
    }
    this.#held[index] = (this.#held[index] ?? 0) | (1 << (page & 7))
    if (page >= this.#endPage) this.#endPage = page + 1
  }
}
