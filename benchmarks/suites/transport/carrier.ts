import type { TlsCredentials } from '@dwcp/interface'
import { randomBytes } from '../../harness/data.js'

/** One way to carry bytes from process to process. */
export interface Carrier {
  /** Listens; `onBytes` sees what arrives: in order, or told where it belongs in its object. */
  listen(options: ListenSettings): Promise<{ readonly port: number }>
  /** Connects once; each call of the result sends that many bytes of the pattern and resolves when the far end has read them all. */
  connect(options: ConnectSettings): Promise<(bytes: number) => Promise<void>>
}

export interface ListenSettings {
  readonly host: string
  readonly tls?: TlsCredentials
  readonly onBytes: (bytes: Uint8Array, offset?: number) => void
  /** At the end of each object. */
  readonly onEnd: () => void
}

export interface ConnectSettings {
  readonly host: string
  readonly port: number
  readonly tls?: TlsCredentials
  readonly streams: number
}

export const SEED = 11
const BLOCK_BYTES = 16 * 2 ** 20
/** What each carrier is handed at a time. */
const SLICE_BYTES = 256 * 1024

const block = randomBytes(SEED, BLOCK_BYTES)

/** `bytes` of random data that repeats every 16 MiB, in slices of memory that is there already. */
export function* pattern(bytes: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes; at += SLICE_BYTES) {
    const from = at % BLOCK_BYTES
    yield block.subarray(from, from + Math.min(SLICE_BYTES, bytes - at))
  }
}

/** A part of the same, to be read at any place: not across the end of a slice. */
export const patternAt = (offset: number, lengthBytes: number): Uint8Array =>
  block.subarray(offset % BLOCK_BYTES, (offset % BLOCK_BYTES) + lengthBytes)

/** Compares what arrives with the pattern. It costs memory bandwidth, so it is on in one run of each contender, which is not timed. */
export class PatternCheck {
  #at = 0
  wrong = false

  see(bytes: Uint8Array, offset: number = this.#at): void {
    this.#at = offset
    for (let done = 0; done < bytes.length; ) {
      const from = this.#at % BLOCK_BYTES
      const length = Math.min(bytes.length - done, BLOCK_BYTES - from)
      this.wrong ||= Buffer.compare(bytes.subarray(done, done + length), block.subarray(from, from + length)) !== 0
      this.#at += length
      done += length
    }
  }
}
