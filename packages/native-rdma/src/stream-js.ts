import type { Socket } from 'node:net'
import type { Backend } from './backend.js'
import type { Hash } from './hash-contract.js'
import { Signal } from './signal.js'
import { descriptorOf } from './socket.js'
import { END, endError, type FrameStream } from './stream-contract.js'
import { encodeHead, encodeOpenHead, HEAD_BYTES, type ReceivedStreamFrame, type StreamFrame } from './stream-frame.js'
import { StreamParser } from './stream-parser.js'
import { Sealer } from './stream-seal.js'
import type { StreamSettings } from './stream-settings.js'

/** What a frame costs in the queue beside its body, as in native/stream_link.cc. */
const FRAME_COST = 256
/** Read from one socket in one turn of the loop. */
const TURN_BYTES = 262_144

/** Frames on a socket of Node, plain or under TLS: the twin of the native stream. */
export class SocketFrameStream implements FrameStream {
  readonly backend: Backend
  readonly frames: AsyncIterable<readonly ReceivedStreamFrame[]>
  sendQueueBytes: number
  readonly #socket: Socket
  readonly #hash: Hash
  readonly #settings: StreamSettings
  readonly #parser: StreamParser
  readonly #sealer: Sealer | undefined
  #arrived: ReceivedStreamFrame[] = []
  #arrivedCost = 0
  #end: number = END.open
  #cause = 'the socket was closed'
  #turnBytes = 0
  #isEnding = false
  #hasPeerEnded = false
  readonly #news: Signal = new Signal()
  readonly #room: Signal = new Signal()

  constructor(socket: Socket, backend: Backend, hash: Hash, received: Uint8Array, settings: StreamSettings) {
    this.backend = backend
    this.#socket = socket
    this.#hash = hash
    this.#settings = settings
    this.sendQueueBytes = settings.sendQueueBytes
    this.#parser = new StreamParser(hash, settings)
    this.#sealer = settings.secrets && new Sealer(settings.secrets.send, settings.rekeyBytes)
    this.frames = this.#read()
    this.#take(Buffer.from(received.buffer, received.byteOffset, received.byteLength))
    socket
      .on('data', (bytes) => {
        this.#take(bytes)
        this.#takeTurns(bytes.byteLength)
      })
      .on('drain', () => this.#room.fire())
      .on('end', () => this.#endWithPeer())
      .on('error', (error) => this.#finish(END.system, error.message))
      .on('close', () => this.#finish(this.#hasPeerEnded ? END.ended : END.system))
    if (socket.destroyed) this.#finish(END.system)
    else this.#readOn()
  }

  get descriptor(): number | undefined {
    return descriptorOf(this.#socket)
  }

  get sentBytes(): number {
    return this.#socket.bytesWritten
  }

  get receivedBytes(): number {
    return this.#socket.bytesRead
  }

  get writable(): boolean {
    return this.#end === END.open && !this.#isEnding && this.#socket.writableLength < this.sendQueueBytes
  }

  write(frame: StreamFrame): boolean {
    if (this.#end !== END.open || this.#isEnding) return false
    const parts = this.#sealer
      ? this.#sealer.frame(encodeHead(frame, HEAD_BYTES), frame.body)
      : [encodeOpenHead(this.#hash, frame), frame.body]
    this.#socket.cork()
    for (const part of parts) if (part.byteLength > 0) this.#socket.write(part)
    process.nextTick(() => this.#socket.uncork())
    return this.writable
  }

  async drained(): Promise<void> {
    while (this.#end === END.open && !this.writable) await this.#room.wait()
  }

  async close(): Promise<void> {
    this.#isEnding = true
    if (this.#end === END.open) this.#socket.end()
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
        const batch = this.#arrived
        if (batch.length > 0) {
          this.#arrived = []
          this.#arrivedCost = 0
          this.#readOn()
          yield batch
          continue
        }
        const error = endError(this.#end, this.#cause)
        if (error) throw error
        if (this.#end !== END.open) return
        await this.#news.wait()
      }
    } finally {
      this.destroy()
    }
  }

  #take(bytes: Buffer): void {
    if (this.#end !== END.open) return
    const end = this.#parser.push(bytes, (frame) => {
      this.#arrived.push(frame)
      this.#arrivedCost += frame.body.byteLength + FRAME_COST
    })
    if (end !== END.open) return this.#finish(end)
    if (this.#arrived.length > 0) this.#news.fire()
  }

  /** libuv reads up to 2 MiB from one socket before it looks at the next: small frames on the others must not wait for that. */
  #takeTurns(bytes: number): void {
    if (this.#turnBytes === 0) {
      setImmediate(() => {
        this.#turnBytes = 0
        this.#readOn()
      })
    }
    this.#turnBytes += bytes
    if (this.#turnBytes >= TURN_BYTES || this.#arrivedCost >= this.#settings.receiveQueueBytes) this.#socket.pause()
  }

  #readOn(): void {
    if (this.#end === END.open && this.#turnBytes < TURN_BYTES && this.#arrivedCost < this.#settings.receiveQueueBytes)
      this.#socket.resume()
  }

  /** What is queued here is still sent; then the socket closes. */
  #endWithPeer(): void {
    if (!this.#parser.isBetweenFrames) return this.#finish(END.cutOff)
    this.#isEnding = true
    this.#hasPeerEnded = true
    this.#socket.end()
  }

  #finish(end: number, cause = this.#cause): void {
    if (this.#end !== END.open) return
    this.#end = end
    this.#cause = cause
    this.#socket.destroy()
    this.#news.fire()
    this.#room.fire()
  }
}
