import type { Digest } from '@dwcp/interface'
import type { PageImage } from '@dwcp/native-rdma/codec'

/** Charged for each baseline besides its bytes, so that empty ones are bounded too. */
const BASELINE_FIXED_BYTES = 4096

interface Baseline {
  readonly workload: string
  readonly digest: Digest
  readonly image: PageImage
  /** Order of arrival. */
  readonly arrival: number
}

/** Images kept under a digest, bounded in bytes and for each workload; what was least recently used goes first. What several share counts once. */
export class Baselines {
  readonly #limitBytes: number
  readonly #perWorkload: number
  readonly #siblings: number
  /** In order of use, least recent first. */
  readonly #kept = new Map<string, Baseline>()
  #bytes = 0
  #arrivals = 0

  /** @param siblings - Baselines of other workloads that serve one. */
  constructor(limitBytes: number, perWorkload: number, siblings: number) {
    this.#limitBytes = limitBytes
    this.#perWorkload = perWorkload
    this.#siblings = siblings
  }

  /**
   * Takes `image` over: nobody may write to it any more. It is closed when it goes.
   *
   * @returns whether it is kept; false where it alone is past the limit.
   */
  keep(workload: string, digest: Digest, image: PageImage): boolean {
    const key = keyOf(workload, digest)
    this.#drop(key)
    if (BASELINE_FIXED_BYTES + image.lengthBytes > this.#limitBytes) return false
    this.#kept.set(key, { workload, digest, image, arrival: this.#arrivals++ })
    this.#bytes += BASELINE_FIXED_BYTES + image.keep()
    for (const former of this.own(workload).slice(this.#perWorkload)) this.#drop(keyOf(workload, former))
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#limitBytes) break
      this.#drop(oldest)
    }
    return true
  }

  /** Of this workload, or of another one where these serve. */
  find(workload: string, digest: Digest): PageImage | undefined {
    const found = this.#kept.get(keyOf(workload, digest)) ?? this.#siblingsOf(workload).find((kept) => kept.digest === digest)
    if (found === undefined) return undefined
    const key = keyOf(found.workload, digest)
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found.image
  }

  /** Newest first. */
  own(workload: string): readonly Digest[] {
    return this.#newestFirst()
      .filter((kept) => kept.workload === workload)
      .map((kept) => kept.digest)
  }

  /** Its own, newest first, then the newest of other workloads. */
  list(workload: string): readonly Digest[] {
    return [...new Set([...this.own(workload), ...this.#siblingsOf(workload).map((kept) => kept.digest)])]
  }

  get lengthBytes(): number {
    return this.#bytes
  }

  /** The newest of each other workload, the newest of all first. */
  #siblingsOf(workload: string): readonly Baseline[] {
    const newest = new Map<string, Baseline>()
    for (const kept of this.#newestFirst()) if (!newest.has(kept.workload)) newest.set(kept.workload, kept)
    newest.delete(workload)
    return [...newest.values()].slice(0, this.#siblings)
  }

  #newestFirst(): readonly Baseline[] {
    return [...this.#kept.values()].sort((a, b) => b.arrival - a.arrival)
  }

  #drop(key: string): void {
    const found = this.#kept.get(key)
    if (found === undefined) return
    this.#kept.delete(key)
    this.#bytes -= BASELINE_FIXED_BYTES + found.image.unkeep()
    found.image.close()
  }
}

function keyOf(workload: string, digest: Digest): string {
  return `${digest} ${workload}`
}
