import { amstError } from '../errors.js'

/** The only frame of a v1 transfer, as docs/wire/v1-amst.md has it: this header, then its bytes. */
export interface ChunkHeader {
  /** Its place among the chunks of the transfer, from 0. */
  readonly id: number
  readonly offset: number
  readonly lengthBytes: number
  /** Of the whole transfer, the same in each of its chunks. */
  readonly totalBytes: number
}

/** What a listener takes. */
export interface ChunkBounds {
  readonly transferBytes: number
  readonly chunkBytesMin: number
  readonly chunkBytesMax: number
}

/** What a connection brings, in its order: the head of a chunk, then its bytes in pieces as they come. */
export type ChunkPart = { readonly header: ChunkHeader } | { readonly offset: number; readonly bytes: Uint8Array }

const HEADER_BYTES = 16

export function encodeChunkHeader({ id, offset, lengthBytes, totalBytes }: ChunkHeader): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt32BE(id, 0)
  header.writeUInt32BE(offset, 4)
  header.writeUInt32BE(lengthBytes, 8)
  header.writeUInt32BE(totalBytes, 12)
  return header
}

/** @throws `ERR_AMST_PROTOCOL` for what no v1 node sends, `ERR_AMST_LIMIT` for what is past the bounds. */
function decodeChunkHeader(header: Buffer, bounds: ChunkBounds): ChunkHeader {
  const id = header.readUInt32BE(0)
  const offset = header.readUInt32BE(4)
  const lengthBytes = header.readUInt32BE(8)
  const totalBytes = header.readUInt32BE(12)
  const { chunkBytesMin, chunkBytesMax, transferBytes } = bounds
  const end = offset + lengthBytes
  if (lengthBytes === 0 || end > totalBytes)
    throw amstError('ERR_AMST_PROTOCOL', `a chunk of ${lengthBytes} bytes at ${offset} is not inside a v1 transfer of ${totalBytes}`)
  if (totalBytes > transferBytes)
    throw amstError('ERR_AMST_LIMIT', `a v1 transfer of ${totalBytes} bytes is past transferBytes, ${transferBytes}`)
  if (lengthBytes > chunkBytesMax)
    throw amstError('ERR_AMST_LIMIT', `a v1 chunk of ${lengthBytes} bytes is past chunkBytesMax, ${chunkBytesMax}`)
  if (lengthBytes < chunkBytesMin && end < totalBytes)
    throw amstError('ERR_AMST_LIMIT', `a v1 chunk of ${lengthBytes} bytes is below chunkBytesMin, ${chunkBytesMin}, and not the last`)
  // So many chunks lie before it, each within the bounds.
  if (offset < id * chunkBytesMin || offset > id * chunkBytesMax)
    throw amstError('ERR_AMST_PROTOCOL', `v1 chunk ${id} cannot begin at ${offset}`)
  return { id, offset, lengthBytes, totalBytes }
}

/** Takes one connection apart. It holds at most a header; a piece is part of what it was given. */
export class ChunkParser {
  readonly #bounds: ChunkBounds
  readonly #head = Buffer.alloc(HEADER_BYTES)
  #headBytes = 0
  #offset = 0
  #leftBytes = 0

  constructor(bounds: ChunkBounds) {
    this.#bounds = bounds
  }

  /** Whether the connection may end here. */
  get isBetweenChunks(): boolean {
    return this.#leftBytes === 0 && this.#headBytes === 0
  }

  /** @throws `ERR_AMST_PROTOCOL`, `ERR_AMST_LIMIT`: nothing more can be read from the connection. */
  *parts(bytes: Uint8Array): Generator<ChunkPart, void, undefined> {
    // Bounded by the bytes: each turn takes at least one of them.
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#leftBytes > 0) {
        const piece = bytes.subarray(at, at + this.#leftBytes)
        const offset = this.#offset
        at += piece.byteLength
        this.#offset += piece.byteLength
        this.#leftBytes -= piece.byteLength
        yield { offset, bytes: piece }
      } else {
        const piece = bytes.subarray(at, at + HEADER_BYTES - this.#headBytes)
        this.#head.set(piece, this.#headBytes)
        at += piece.byteLength
        this.#headBytes += piece.byteLength
        if (this.#headBytes < HEADER_BYTES) return
        this.#headBytes = 0
        const header = decodeChunkHeader(this.#head, this.#bounds)
        this.#offset = header.offset
        this.#leftBytes = header.lengthBytes
        yield { header }
      }
    }
  }
}
