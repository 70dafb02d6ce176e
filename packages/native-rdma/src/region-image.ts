import { PageSet } from './page-set.js'

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
  readonly #held: PageSet
  readonly #written: PageSet
  #endPage: number

  constructor(pageBytes: number, maxPages: number, origin?: RegionImage) {
    this.pageBytes = pageBytes
    this.maxPages = maxPages
    this.#segmentPages = Math.max(1, SEGMENT_BYTES / pageBytes)
    this.#segments = new Map(origin?.segments())
    this.#held = origin === undefined ? new PageSet(maxPages) : origin.#held.copy(maxPages)
    this.#written = origin === undefined ? new PageSet(maxPages) : origin.#written.copy(maxPages)
    this.#endPage = origin?.endPage ?? 0
  }

  /** One past the last page ever written. */
  get endPage(): number {
    return this.#endPage
  }

  segments(): ReadonlyMap<number, Buffer> {
    return this.#segments
  }

  holds(page: number): boolean {
    return this.#held.has(page)
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
    this.#written.add(page)
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

  /** Pages with new content since this was asked last, ascending. */
  takeWritten(): Iterable<number> {
    return this.#written.take()
  }

  get mapsBytes(): number {
    return this.#held.lengthBytes + this.#written.lengthBytes
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
    this.#held.add(page)
    if (page >= this.#endPage) this.#endPage = page + 1
  }
}
