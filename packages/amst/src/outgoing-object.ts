import type { ByteSource, ObjectProgress, ObjectReceipt } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { encodeEnding } from './body.js'
import { amstError } from './errors.js'
import { FRAME, type Frame, type FrameType } from './frame.js'
import type { Stream } from './stream.js'

/** What a chunk costs of its window beyond its bytes: many small ones must not cost the receiver more than few large. */
export const CHUNK_COST_BYTES = 256
/** Chunks read ahead of the sockets: enough that a socket never waits for the source's next turn of the loop. */
const READY_CHUNKS = 8

interface Chunk {
  readonly frame: Frame
  readonly digest: Uint8Array
  /** The stream it was last written to. */
  stream: Stream | undefined
}

export interface OutgoingEvents {
  readonly control: (type: FrameType, id: number, body: Uint8Array) => void
  /** Chunks are ready. */
  readonly ready: () => void
}

/** One object on its way out: reads the source no faster than the window allows, keeps each chunk until it is acknowledged. */
export class OutgoingObject {
  readonly id: number
  readonly receipt: Promise<ObjectReceipt>
  #resentBytes = 0
  readonly #hash: Hash
  readonly #events: OutgoingEvents
  readonly #chunkBytes: number
  readonly #onProgress: ((progress: ObjectProgress) => void) | undefined
  readonly #lengthBytes: number | undefined
  readonly #source: AsyncIterator<Uint8Array>
  readonly #kept = new Map<number, Chunk>()
  readonly #ready: Chunk[] = []
  readonly #windowBytes: number
  #granted: number
  #spent = 0
  #nextSequence = 0
  #received = 0
  #ackedBytes = 0
  #sentBytes = 0
  #digest: Uint8Array | undefined
  #over = false
  #wake: () => void = () => undefined
  #resolve: (receipt: ObjectReceipt) => void = () => undefined
  #reject: (reason: unknown) => void = () => undefined

  constructor(
    id: number,
    source: ByteSource,
    environment: {
      readonly hash: Hash
      readonly chunkBytes: number
      readonly initialWindowBytes: number
      readonly windowBytes: number
      readonly onProgress: ((progress: ObjectProgress) => void) | undefined
    },
    events: OutgoingEvents,
  ) {
    this.id = id
    this.#hash = environment.hash
    this.#chunkBytes = environment.chunkBytes
    this.#granted = environment.initialWindowBytes
    this.#windowBytes = environment.windowBytes
    this.#onProgress = environment.onProgress
    this.#events = events
    this.#lengthBytes = source instanceof Uint8Array ? source.byteLength : source.lengthBytes
    this.#source = (source instanceof Uint8Array ? once(source) : source.stream)[Symbol.asyncIterator]()
    this.receipt = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get resentBytes(): number {
    return this.#resentBytes
  }

  /** Reads the source to its end. Settles the receipt itself where the source breaks. */
  async run(): Promise<void> {
    const whole = this.#hash.stream()
    try {
      for (let step = await this.#source.next(); !step.done && !this.#over; step = await this.#source.next()) {
        for (let offset = 0; offset < step.value.byteLength; offset += this.#chunkBytes) {
          const body = step.value.subarray(offset, offset + this.#chunkBytes)
          whole.update(body)
          await this.#room(body.byteLength)
          if (this.#over) return
          this.#add(body)
        }
      }
      if (this.#over) return
      if (this.#sentBytes !== (this.#lengthBytes ?? this.#sentBytes)) throw this.#wrongLength()
      this.#digest = whole.digest()
      this.#events.control(
        FRAME.end,
        this.id,
        encodeEnding({ chunks: this.#nextSequence, lengthBytes: this.#sentBytes, digest: this.#digest }),
      )
    } catch (error) {
      this.fail(error)
    }
  }

  /** The next chunk that waits for a stream. */
  take(stream: Stream): { readonly frame: Frame; readonly digest: Uint8Array } | undefined {
    const chunk = this.#ready.shift()
    if (!chunk) return undefined
    if (chunk.stream) this.#resentBytes += chunk.frame.body.byteLength
    chunk.stream = stream
    if (this.#ready.length < READY_CHUNKS) this.#wake()
    return chunk
  }

  /** What was written to a stream that is dead waits for another one. */
  requeue(stream: Stream): void {
    const lost = [...this.#kept.values()].filter((chunk) => chunk.stream === stream && !this.#ready.includes(chunk))
    this.#ready.unshift(...lost)
  }

  /** The receiver found the chunk damaged. */
  again(sequence: number): void {
    const chunk = this.#kept.get(sequence)
    if (!chunk || this.#ready.includes(chunk)) return
    this.#ready.unshift(chunk)
    this.#events.ready()
  }

  credit(received: number, granted: number): void {
    if (received > this.#nextSequence)
      throw amstError('ERR_AMST_PROTOCOL', `the peer acknowledges chunk ${received} of ${this.#nextSequence}`)
    for (; this.#received < received; this.#received += 1) {
      this.#ackedBytes += this.#kept.get(this.#received)?.frame.body.byteLength ?? 0
      this.#kept.delete(this.#received)
    }
    // What is kept until acknowledged stays within the window, whatever the peer grants.
    const ackedCost = this.#ackedBytes + this.#received * CHUNK_COST_BYTES
    this.#granted = Math.max(this.#granted, Math.min(granted, ackedCost + this.#windowBytes))
    this.#wake()
    this.#progress()
  }

  /** The receiving application has it all. */
  done(): void {
    const digest = this.#digest
    if (!digest) throw amstError('ERR_AMST_PROTOCOL', `the peer completed object ${this.id} before its end`)
    this.#ackedBytes = this.#sentBytes
    this.#progress()
    if (this.#over) return
    this.#finish()
    this.#resolve({ lengthBytes: this.#sentBytes, digest: `xxh3-128:${Buffer.from(digest).toString('hex')}` })
  }

  /** Gives it up; the source is told, what waits is dropped. */
  fail(reason: unknown): void {
    if (this.#over) return
    this.#finish()
    // A source whose next() is under way ends when that settles; nobody waits for it.
    Promise.resolve(this.#source.return?.()).catch(() => undefined)
    this.#reject(reason)
  }

  #finish(): void {
    this.#over = true
    this.#kept.clear()
    this.#ready.length = 0
    this.#wake()
  }

  #add(body: Uint8Array): void {
    if (this.#nextSequence > 0xffff_ffff) throw amstError('ERR_AMST_LIMIT', 'an object has at most 2^32 chunks: give larger pieces')
    const frame: Frame = { type: FRAME.chunk, id: this.id, sequence: this.#nextSequence, body }
    const chunk: Chunk = { frame, digest: this.#hash.xxh3_128(body), stream: undefined }
    this.#nextSequence += 1
    this.#spent += body.byteLength + CHUNK_COST_BYTES
    this.#sentBytes += body.byteLength
    if (this.#sentBytes > (this.#lengthBytes ?? this.#sentBytes)) throw this.#wrongLength()
    this.#kept.set(frame.sequence, chunk)
    this.#ready.push(chunk)
    this.#events.ready()
  }

  async #room(bodyBytes: number): Promise<void> {
    while (!this.#over && (this.#ready.length >= READY_CHUNKS || this.#spent + bodyBytes + CHUNK_COST_BYTES > this.#granted)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #progress(): void {
    if (!this.#onProgress) return
    const ackedBytes = this.#ackedBytes
    try {
      this.#onProgress(this.#lengthBytes === undefined ? { ackedBytes } : { ackedBytes, lengthBytes: this.#lengthBytes })
    } catch (error) {
      // The caller's mistake ends its object, not the session that others use.
      this.fail(error)
    }
  }

  #wrongLength(): Error {
    return amstError(
      'ERR_AMST_SOURCE_LENGTH',
      `the source was announced as ${this.#lengthBytes} bytes and gave ${this.#sentBytes}: announce what it gives, or nothing`,
    )
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
