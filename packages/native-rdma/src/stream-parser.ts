import type { Hash } from './hash-contract.js'
import { END } from './stream-contract.js'
import { decodeHead, HEAD_BYTES, type Head, isOpenHead, OPEN_HEAD_BYTES, type ReceivedStreamFrame } from './stream-frame.js'
import { Opener, TAG_BYTES } from './stream-seal.js'
import type { StreamSettings } from './stream-settings.js'

/** Cuts what came into frames: the twin of the receiving half of native/stream_link.cc. Holds one head and at most one body. */
export class StreamParser {
  readonly #hash: Hash
  readonly #bodyBytesMax: ReadonlyMap<number, number>
  readonly #opener: Opener | undefined
  readonly #headBytes: Buffer<ArrayBuffer>
  #head: Head | undefined
  #target: Buffer<ArrayBuffer>
  #filled = 0

  constructor(hash: Hash, settings: StreamSettings) {
    this.#hash = hash
    this.#bodyBytesMax = settings.bodyBytesMax
    this.#opener = settings.secrets && new Opener(settings.secrets.receive, settings.rekeyBytes)
    this.#headBytes = Buffer.allocUnsafeSlow(this.#opener ? HEAD_BYTES + TAG_BYTES : OPEN_HEAD_BYTES)
    this.#target = this.#headBytes
  }

  get isBetweenFrames(): boolean {
    return this.#head === undefined && this.#filled === 0
  }

  /** @returns `END.open`, or why no more can be understood. */
  push(bytes: Buffer, take: (frame: ReceivedStreamFrame) => void): number {
    let offset = 0
    while (offset < bytes.byteLength) {
      const taken = Math.min(this.#target.byteLength - this.#filled, bytes.byteLength - offset)
      bytes.copy(this.#target, this.#filled, offset, offset + taken)
      this.#filled += taken
      offset += taken
      if (this.#filled < this.#target.byteLength) continue
      this.#filled = 0
      const end = this.#head ? this.#finish(this.#head, take) : this.#begin(take)
      if (end !== END.open) return end
    }
    return END.open
  }

  #begin(take: (frame: ReceivedStreamFrame) => void): number {
    const opened = this.#opener ? this.#opener.head(this.#headBytes) : this.#headBytes
    if (!opened) return END.forged
    if (!this.#opener && !isOpenHead(this.#hash, opened)) return END.damagedHead
    const head = decodeHead(opened)
    const limitBytes = this.#bodyBytesMax.get(head.type)
    // Before anything is allocated.
    if (limitBytes === undefined || head.bodyBytes > limitBytes) return END.refusedLength
    this.#head = head
    this.#target = Buffer.allocUnsafeSlow(head.bodyBytes === 0 ? 0 : head.bodyBytes + (this.#opener ? TAG_BYTES : 0))
    return head.bodyBytes === 0 ? this.#finish(head, take) : END.open
  }

  #finish(head: Head, take: (frame: ReceivedStreamFrame) => void): number {
    const came = this.#target
    this.#target = this.#headBytes
    this.#head = undefined
    const body = this.#opener && head.bodyBytes > 0 ? this.#opener.body(came) : came
    if (!body) return END.forged
    const digest = this.#hash.xxh3_128(body)
    const intact = this.#opener !== undefined || Buffer.compare(digest, this.#digest()) === 0
    const { type, id, sequence, ack } = head
    take({ type, id, sequence, ack, body: owned(body), digest, intact })
    return END.open
  }

  #digest(): Buffer {
    return this.#headBytes.subarray(HEAD_BYTES, HEAD_BYTES + 16)
  }
}

/** As bytes of its own buffer: what the cipher returns may share one. */
function owned(body: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = body
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? new Uint8Array(buffer) : Uint8Array.from(body)
}
