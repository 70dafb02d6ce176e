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
  /** How often it was kept or found. */
  uses: number
  /** The age of all when it was last used. */
  usedAt: number
}

/**
 * Images kept under a digest, bounded in bytes and for each workload. What several share counts once. The one of least value goes first,
 * as in docs/wire/chunks.md: uses × bytes / bytes of its own, plus the value of what went last when it was used (GreedyDual-Size with
 * frequency, Cherkasova 1998).
 */
export class Baselines {
  readonly #limitBytes: number
  readonly #perWorkload: number
  readonly #siblings: number
  readonly #kept = new Map<string, Baseline>()
  #bytes = 0
  #arrivals = 0
  /** The value of what went last. */
  #age = 0

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
    this.#kept.set(key, { workload, digest, image, arrival: this.#arrivals++, uses: 1, usedAt: this.#age })
    this.#bytes += BASELINE_FIXED_BYTES + image.keep()
    for (const former of this.own(workload).slice(this.#perWorkload)) this.#drop(keyOf(workload, former))
    while (this.#bytes > this.#limitBytes) this.#drop(this.#leastWorth(key))
    return true
  }

  has(workload: string, digest: Digest): boolean {
    return this.#kept.has(keyOf(workload, digest))
  }

  /** Of this workload, or of another one where these serve. */
  find(workload: string, digest: Digest): PageImage | undefined {
    const found = this.#kept.get(keyOf(workload, digest)) ?? this.#siblingsOf(workload).find((kept) => kept.digest === digest)
    if (found === undefined) return undefined
    found.uses += 1
    found.usedAt = this.#age
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

  close(): void {
    for (const key of [...this.#kept.keys()]) this.#drop(key)
  }

  /** Of all but one. */
  #leastWorth(but: string): string {
    let least = but
    let leastWorth = Number.POSITIVE_INFINITY
    for (const [key, kept] of this.#kept) {
      const worth = key === but ? Number.POSITIVE_INFINITY : worthOf(kept)
      if (worth >= leastWorth) continue
      least = key
      leastWorth = worth
    }
    this.#age = Math.max(this.#age, Math.min(leastWorth, Number.MAX_VALUE))
    return least
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

function worthOf({ image, uses, usedAt }: Baseline): number {
  const ownBytes = image.unkeep()
  image.keep()
  return usedAt + (uses * image.lengthBytes) / Math.max(1, ownBytes)
}

function keyOf(workload: string, digest: Digest): string {
  return `${digest} ${workload}`
}
