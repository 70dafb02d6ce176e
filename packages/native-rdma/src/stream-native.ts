import type { Addon, Held } from './addon.js'
import type { Backend } from './backend.js'
import { unavailable } from './errors.js'
import { Signal } from './signal.js'
import { END, endError, type FrameStream } from './stream-contract.js'
import type { ReceivedStreamFrame, StreamFrame } from './stream-frame.js'
import type { StreamSettings } from './stream-settings.js'

/** What a frame costs in the queue beside its body, as in native/stream_link.cc. */
const FRAME_COST = 256
const NUMBERS_PER_TAKE = 3
const NUMBERS_PER_FRAME = 9
const DIGEST_AT = 5
const DIGEST_BYTES = 16

/** Frames by a native thread that took the connection over: this one only queues and takes. */
export class NativeFrameStream implements FrameStream {
  readonly backend: Backend
  readonly frames: AsyncIterable<readonly ReceivedStreamFrame[]>
  sendQueueBytes: number
  readonly #addon: Addon
  readonly #link: Held<'stream'>
  /** Kept from the garbage collector until they are sent. */
  #lent: Uint8Array[] = []
  #lentFrom = 0
  #queuedBytes = 0
  #end: number = END.open
  #systemError = 0
  #isEnding = false
  readonly #news: Signal = new Signal()
  readonly #room: Signal = new Signal()

  /** @throws `ERR_NATIVE_UNAVAILABLE` where the descriptor cannot be taken over. */
  constructor(addon: Addon, backend: Backend, fd: number, received: Uint8Array, settings: StreamSettings) {
    this.backend = backend
    this.#addon = addon
    this.sendQueueBytes = settings.sendQueueBytes
    const rooms = new Uint32Array(256)
    for (const [type, bytes] of settings.bodyBytesMax) rooms[type] = bytes + 1
    const link = addon.streamOpen(
      fd,
      rooms,
      settings.receiveQueueBytes,
      settings.sendQueueBytes,
      received,
      settings.secrets?.send,
      settings.secrets?.receive,
      settings.rekeyBytes,
      () => this.#hear(),
    )
    if (typeof link === 'string') throw unavailable('a native stream', link)
    this.#link = link
    this.frames = this.#read()
  }

  get descriptor(): number | undefined {
    const fd = this.#addon.streamCounts(this.#link)[0] ?? -1
    return fd >= 0 ? fd : undefined
  }

  get sentBytes(): number {
    return this.#addon.streamCounts(this.#link)[1] ?? 0
  }

  get receivedBytes(): number {
    return this.#addon.streamCounts(this.#link)[2] ?? 0
  }

  get writable(): boolean {
    return this.#end === END.open && !this.#isEnding && this.#queuedBytes < this.sendQueueBytes
  }

  write(frame: StreamFrame): boolean {
    if (this.#end !== END.open || this.#isEnding) return false
    this.#lent.push(frame.body)
    this.#queuedBytes += frame.body.byteLength + FRAME_COST
    this.#addon.streamWrite(this.#link, frame.type, frame.id, frame.sequence, frame.ack, frame.body, frame.digest)
    return this.writable
  }

  async drained(): Promise<void> {
    while (this.#end === END.open && !this.writable) await this.#room.wait()
  }

  async close(): Promise<void> {
    this.#isEnding = true
    if (this.#end === END.open) this.#addon.streamEnd(this.#link)
    while (this.#end === END.open) await this.#room.wait()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  destroy(): void {
    this.#finish(END.closed)
  }

  async *#read(): AsyncGenerator<readonly ReceivedStreamFrame[]> {
    try {
      // Until the stream is over.
      for (;;) {
        const batch = this.#take(true)
        if (batch.length > 0) {
          yield batch
          continue
        }
        const error = endError(this.#end, `error ${this.#systemError} of the system`)
        if (error) throw error
        if (this.#end !== END.open) return
        await this.#news.wait()
      }
    } finally {
      this.destroy()
    }
  }

  #hear(): void {
    this.#take(false)
    this.#news.fire()
    this.#room.fire()
  }

  #take(wantsFrames: boolean): ReceivedStreamFrame[] {
    const bodies: ArrayBuffer[] = []
    const numbers = this.#addon.streamTake(this.#link, wantsFrames, bodies)
    const [sent = 0, end = END.open, systemError = 0] = numbers
    this.#forget(sent)
    this.#systemError = systemError
    if (end !== END.open) this.#finish(end)
    return bodies.map((body, index) => {
      const at = NUMBERS_PER_TAKE + index * NUMBERS_PER_FRAME
      const [type = 0, id = 0, sequence = 0, ack = 0, intact = 0] = numbers.subarray(at, at + DIGEST_AT)
      const digest = new Uint8Array(numbers.buffer, (at + DIGEST_AT) * numbers.BYTES_PER_ELEMENT, DIGEST_BYTES)
      return { type, id, sequence, ack, body: new Uint8Array(body), digest, intact: intact === 1 }
    })
  }

  #forget(frames: number): void {
    const until = this.#lentFrom + frames
    for (; this.#lentFrom < until; this.#lentFrom += 1) this.#queuedBytes -= (this.#lent[this.#lentFrom]?.byteLength ?? 0) + FRAME_COST
    // Seldom enough that moving the rest costs nothing.
    if (this.#lentFrom < this.#lent.length / 2) return
    this.#lent = this.#lent.slice(this.#lentFrom)
    this.#lentFrom = 0
  }

  #finish(end: number): void {
    if (this.#end !== END.open) return
    this.#end = end
    this.#addon.streamClose(this.#link)
    this.#lent = []
    this.#news.fire()
    this.#room.fire()
  }
}
