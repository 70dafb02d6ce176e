import { type AmstError, amstError } from '../errors.js'
import type { ChunkHeader } from './chunk.js'

/** Above any length of a chunk, so that its id and its length go into one number. */
const LENGTH_RANGE = 2 ** 21

/**
 * Which chunks of a transfer have come. v1 has neither names nor checksums: that the chunks cover the transfer exactly, once, and are
 * numbered in the order of their offsets is all that tells one transfer from another, or from damage.
 */
export class Cover {
  readonly #totalBytes: number
  /** By offset. */
  readonly #chunks = new Map<number, number>()
  #bytes = 0

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes
  }

  /** Whether it can be a chunk of this transfer, for all that is known yet. */
  lacks({ offset, lengthBytes, totalBytes }: ChunkHeader): boolean {
    return totalBytes === this.#totalBytes && !this.#chunks.has(offset) && this.#bytes + lengthBytes <= totalBytes
  }

  /** @throws `ERR_AMST_PROTOCOL` for a chunk that cannot belong here; where they overlap otherwise, {@link Cover.verify} does. */
  add(header: ChunkHeader): void {
    const { id, offset, lengthBytes, totalBytes } = header
    if (!this.lacks(header))
      throw broken(`chunk ${id}, ${lengthBytes} bytes at ${offset} of ${totalBytes}, came beside others of ${this.#totalBytes}`)
    this.#chunks.set(offset, id * LENGTH_RANGE + lengthBytes)
    this.#bytes += lengthBytes
  }

  /** @throws `ERR_AMST_PROTOCOL` unless each byte was in one chunk, and the chunks are numbered from 0. */
  verify(): void {
    let end = 0
    for (let id = 0; end < this.#totalBytes; id += 1) {
      const lengthBytes = (this.#chunks.get(end) ?? -1) - id * LENGTH_RANGE
      if (lengthBytes < 0 || lengthBytes >= LENGTH_RANGE) throw broken(`no chunk ${id} begins at ${end}`)
      end += lengthBytes
    }
  }
}

const broken = (what: string): AmstError =>
  amstError(
    'ERR_AMST_PROTOCOL',
    `a v1 transfer does not fit together: ${what}; v1 cannot tell two transfers of one address apart: send one at a time`,
  )
