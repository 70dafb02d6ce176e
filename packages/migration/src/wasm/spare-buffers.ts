/**
 * Buffers of one length that go to another thread and come back. V8 counts the bytes of each new one against the small heap of its
 * thread, and collects garbage for every few of them; a buffer that comes back costs nothing.
 */
export class SpareBuffers {
  readonly #lengthBytes: number
  readonly #mostSpare: number
  readonly #spare: ArrayBuffer[] = []

  constructor(lengthBytes: number, mostSpare: number) {
    this.#lengthBytes = lengthBytes
    this.#mostSpare = mostSpare
  }

  /** With whatever was in it. */
  take(): ArrayBuffer {
    return this.#spare.pop() ?? new ArrayBuffer(this.#lengthBytes)
  }

  /** Nobody reads it any more. What is not one of these buffers, is elsewhere already or is one too many is left to the collector. */
  giveBack(buffer: ArrayBufferLike): void {
    const fits = buffer instanceof ArrayBuffer && buffer.byteLength === this.#lengthBytes
    if (fits && this.#spare.length < this.#mostSpare && !this.#spare.includes(buffer)) this.#spare.push(buffer)
  }
}
