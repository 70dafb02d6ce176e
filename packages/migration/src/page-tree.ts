import type { Digest, Region } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'

/**
 * A digest over pages that is kept up to date as pages change, so that the digest of a whole memory costs no second pass.
 *
 * Merkle tree of three levels: a leaf per page (XXH3-128), a node per 256 leaves, a root over the nodes of all regions and
 * the opaque state. A page that was never given counts as all zero. It finds accidents; authenticity is the session's.
 */
export interface PageTree {
  /** `bytes` holds the pages one after the other, in the order of `pages`. */
  update(region: number, pages: Uint32Array, bytes: Uint8Array): void
  /** Adds to the opaque state, in order. */
  opaque(bytes: Uint8Array): void
  /** Cost: the nodes over pages changed since the last call, plus 16 bytes per MiB of memory. */
  root(): Digest
}

const DIGEST_BYTES = 16
const FAN_OUT = 256
const NODE_BYTES = FAN_OUT * DIGEST_BYTES

class RegionTree {
  readonly #hash: Hash
  readonly #pageBytes: number
  readonly #zeroLeaf: Uint8Array
  readonly #stale = new Set<number>()
  #leaves = new Uint8Array(0)
  #nodes = new Uint8Array(0)

  constructor(hash: Hash, region: Region) {
    this.#hash = hash
    this.#pageBytes = region.pageBytes
    this.#zeroLeaf = hash.xxh3_128(new Uint8Array(region.pageBytes))
    this.#reserve(region.lengthBytes / region.pageBytes)
  }

  update(pages: Uint32Array, bytes: Uint8Array): void {
    if (bytes.length !== pages.length * this.#pageBytes) {
      throw new RangeError(
        `${pages.length} pages of ${this.#pageBytes} bytes need ${pages.length * this.#pageBytes} bytes, not ${bytes.length}`,
      )
    }
    const digests = this.#hash.hashPages(bytes, this.#pageBytes)
    for (let i = 0; i < pages.length; i++) {
      const page = pages[i] ?? 0
      this.#reserve(page + 1)
      this.#leaves.set(digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES), page * DIGEST_BYTES)
      this.#stale.add(Math.floor(page / FAN_OUT))
    }
  }

  nodes(): Uint8Array {
    for (const node of this.#stale) {
      const leaves = this.#leaves.subarray(node * NODE_BYTES, (node + 1) * NODE_BYTES)
      this.#nodes.set(this.#hash.xxh3_128(leaves), node * DIGEST_BYTES)
    }
    this.#stale.clear()
    return this.#nodes
  }

  /** Whole nodes only, so that the tree's shape depends on how far the memory was written and not on how it grew. */
  #reserve(pages: number): void {
    const nodes = Math.ceil(pages / FAN_OUT)
    const before = this.#nodes.length / DIGEST_BYTES
    if (nodes <= before) return
    const leaves = new Uint8Array(nodes * NODE_BYTES)
    leaves.set(this.#leaves)
    for (let at = before * NODE_BYTES; at < leaves.length; at += DIGEST_BYTES) leaves.set(this.#zeroLeaf, at)
    const digests = new Uint8Array(nodes * DIGEST_BYTES)
    digests.set(this.#nodes)
    this.#leaves = leaves
    this.#nodes = digests
    for (let node = before; node < nodes; node++) this.#stale.add(node)
  }
}

/**
 * A tree over `regions`, all zero.
 *
 * @param regions - As in the manifest: both ends start from the same lengths.
 */
export function createPageTree(hash: Hash, regions: readonly Region[]): PageTree {
  const trees = regions.map((region) => new RegionTree(hash, region))
  let chain: Uint8Array = new Uint8Array(DIGEST_BYTES)
  const treeOf = (region: number): RegionTree => {
    const tree = trees[region]
    if (tree === undefined) throw new RangeError(`region ${region} is not one of the ${trees.length} in the manifest`)
    return tree
  }
  return {
    update: (region, pages, bytes) => treeOf(region).update(pages, bytes),
    opaque(bytes) {
      const link = hash.stream()
      link.update(chain)
      link.update(lengthPrefix(bytes.length))
      link.update(bytes)
      chain = link.digest()
    },
    root() {
      const root = hash.stream()
      for (const tree of trees) {
        const nodes = tree.nodes()
        root.update(lengthPrefix(nodes.length))
        root.update(nodes)
      }
      root.update(chain)
      return `pages-xxh3-128:${Buffer.from(root.digest()).toString('hex')}`
    },
  }
}

function lengthPrefix(length: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length))
  return bytes
}
