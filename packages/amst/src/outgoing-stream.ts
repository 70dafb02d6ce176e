import { type Credit, type Ending, encodeEnding } from './body.js'
import { amstError } from './errors.js'
import { FRAME, type Frame } from './frame.js'
import { CHUNK_COST_BYTES, type Chunk, Outflow } from './outflow.js'
import { type Outgoing, type OutgoingEnvironment, Receipt } from './outgoing.js'
import type { StreamSource } from './source.js'
import type { Stream } from './stream.js'

/** An object whose bytes come once: reads them no faster than the window allows, keeps each chunk until it is acknowledged. */
export class OutgoingStream implements Outgoing {
  readonly id: number
  readonly #environment: OutgoingEnvironment
  readonly #receipt = new Receipt()
  readonly #flow: Outflow
  readonly #lengthBytes: number | undefined
  readonly #source: AsyncIterator<Uint8Array>
  readonly #kept = new Map<number, Chunk>()
  #nextSequence = 0
  #received = 0
  #ackedBytes = 0
  #sentBytes = 0
  #ending: Ending | undefined
  #isOver = false

  constructor(id: number, source: StreamSource, environment: OutgoingEnvironment) {
    this.id = id
    this.#environment = environment
    this.#flow = new Outflow(id, environment.window, environment.events)
    this.#lengthBytes = source.lengthBytes
    this.#source = source.stream[Symbol.asyncIterator]()
  }

  get receipt(): Outgoing['receipt'] {
    return this.#receipt.promise
  }

  get resentBytes(): number {
    return this.#flow.resentBytes
  }

  get isReady(): boolean {
    return this.#flow.isReady
  }

  get backlogBytes(): number {
    return (this.#lengthBytes ?? this.#sentBytes) - this.#ackedBytes
  }

  async run(): Promise<void> {
    const { chunkBytes, events, hash } = this.#environment
    const whole = hash.stream()
    try {
      for (let step = await this.#source.next(); !step.done && !this.#isOver; step = await this.#source.next()) {
        if (!(step.value instanceof Uint8Array)) throw new TypeError('a source gives Uint8Array: a Readable must have no encoding')
        for (let offset = 0; offset < step.value.byteLength; offset += chunkBytes) {
          const body = step.value.subarray(offset, offset + chunkBytes)
          whole.update(body)
          await this.#flow.room(body.byteLength + CHUNK_COST_BYTES)
          if (this.#isOver) return
          this.#add(body)
        }
      }
      if (this.#isOver) return
      if (this.#sentBytes !== (this.#lengthBytes ?? this.#sentBytes)) throw this.#wrongLength()
      this.#ending = { chunks: this.#nextSequence, lengthBytes: this.#sentBytes, digest: whole.digest() }
      events.control(FRAME.end, this.id, encodeEnding(this.#ending))
    } catch (error) {
      this.fail(error)
    }
  }

  take(stream: Stream): Frame | undefined {
    return this.#flow.take(stream)?.frame
  }

  requeue(stream: Stream): void {
    this.#flow.pushFirst([...this.#kept.values()].filter((chunk) => chunk.stream === stream))
  }

  again(sequence: number): void {
    const chunk = this.#kept.get(sequence)
    if (chunk) this.#flow.pushFirst([chunk])
  }

  have(): void {
    throw amstError('ERR_AMST_PROTOCOL', `the peer says that it has blocks of object ${this.id}, which has none`)
  }

  credit({ received, granted }: Credit): void {
    if (received > this.#nextSequence)
      throw amstError('ERR_AMST_PROTOCOL', `the peer acknowledges chunk ${received} of ${this.#nextSequence}`)
    for (; this.#received < received; this.#received += 1) {
      this.#ackedBytes += this.#kept.get(this.#received)?.frame.body.byteLength ?? 0
      this.#kept.delete(this.#received)
    }
    this.#flow.grant(granted, this.#ackedBytes + this.#received * CHUNK_COST_BYTES)
    this.#progress()
  }

  done(): void {
    const ending = this.#ending
    if (!ending) throw amstError('ERR_AMST_PROTOCOL', `the peer completed object ${this.id} before its end`)
    this.#ackedBytes = this.#sentBytes
    this.#progress()
    if (this.#isOver) return
    this.#finish()
    this.#receipt.give(ending, 'xxh3-128')
  }

  fail(reason: unknown): void {
    if (this.#isOver) return
    this.#finish()
    // A source whose next() is under way ends when that settles; nobody waits for it.
    Promise.resolve(this.#source.return?.()).catch(() => undefined)
    this.#receipt.refuse(reason)
  }

  #finish(): void {
    this.#isOver = true
    this.#kept.clear()
    this.#flow.stop()
  }

  #add(body: Uint8Array): void {
    if (this.#nextSequence > 0xffff_ffff) throw amstError('ERR_AMST_LIMIT', 'an object has at most 2^32 chunks: give larger pieces')
    const chunk: Chunk = {
      frame: { type: FRAME.chunk, id: this.id, sequence: this.#nextSequence, body },
      stream: undefined,
      wasSent: false,
    }
    this.#nextSequence += 1
    this.#sentBytes += body.byteLength
    if (this.#sentBytes > (this.#lengthBytes ?? this.#sentBytes)) throw this.#wrongLength()
    this.#kept.set(chunk.frame.sequence, chunk)
    this.#flow.push(chunk, body.byteLength + CHUNK_COST_BYTES)
  }

  #progress(): void {
    const ackedBytes = this.#ackedBytes
    try {
      this.#environment.onProgress?.(this.#lengthBytes === undefined ? { ackedBytes } : { ackedBytes, lengthBytes: this.#lengthBytes })
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
