import type { Digest } from '@dwcp/interface'
import type { Image } from './image.js'

/** Charged for each baseline besides its bytes, so that empty ones are bounded too. */
const BASELINE_FIXED_BYTES = 4096

interface Baseline {
  readonly workload: string
  readonly digest: Digest
  readonly image: Image
  /** Order of arrival. */
  readonly arrival: number
}

/** Images kept under a digest, bounded in bytes and for each workload; what was least recently used goes first. Segments shared by several count once. */
export class Baselines {
  readonly #limitBytes: number
  readonly #perWorkload: number
  /** In order of use, least recent first. */
  readonly #kept = new Map<string, Baseline>()
  /** How many baselines share each segment. */
  readonly #segmentUses = new Map<Uint8Array, number>()
  #bytes = 0
  #arrivals = 0

  constructor(limitBytes: number, perWorkload: number) {
    this.#limitBytes = limitBytes
    this.#perWorkload = perWorkload
  }

  /**
   * Takes `image` over: nobody may write to it any more.
   *
   * @returns whether it is kept; false where it alone is past the limit.
   */
  keep(workload: string, digest: Digest, image: Image): boolean {
    const key = keyOf(workload, digest)
    this.#drop(key)
    if (BASELINE_FIXED_BYTES + image.lengthBytes > this.#limitBytes) return false
    this.#kept.set(key, { workload, digest, image, arrival: this.#arrivals++ })
    this.#count(image, 1)
    for (const former of this.list(workload).slice(this.#perWorkload)) this.#drop(keyOf(workload, former))
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#limitBytes) break
      this.#drop(oldest)
    }
    return true
  }

  find(workload: string, digest: Digest): Image | undefined {
    const key = keyOf(workload, digest)
    const found = this.#kept.get(key)
    if (found === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found.image
  }

  /** Newest first. */
  list(workload: string): readonly Digest[] {
    return [...this.#kept.values()]
      .filter((kept) => kept.workload === workload)
      .sort((a, b) => b.arrival - a.arrival)
      .map((kept) => kept.digest)
  }

  get lengthBytes(): number {
    return this.#bytes
  }

  #drop(key: string): void {
    const found = this.#kept.get(key)
    if (found === undefined) return
    this.#kept.delete(key)
    this.#count(found.image, -1)
  }

  #count(image: Image, change: 1 | -1): void {
    this.#bytes += change * (BASELINE_FIXED_BYTES + image.overheadBytes)
    for (const region of image.regions) {
      for (const segment of region.segments().values()) {
        const before = this.#segmentUses.get(segment) ?? 0
        const after = before + change
        if (after === 0) this.#segmentUses.delete(segment)
        else this.#segmentUses.set(segment, after)
        if (before === 0 || after === 0) this.#bytes += change * segment.length
      }
    }
  }
}

function keyOf(workload: string, digest: Digest): string {
  return `${digest} ${workload}`
}
