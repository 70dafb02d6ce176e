import { BLOCKS_AHEAD, type Credit, type Ending, encodeChecked, encodeEnding, type HaveRange } from './body.js'
import { amstError } from './errors.js'
import { FRAME, type Frame } from './frame.js'
import { CHUNK_COST_BYTES, Outflow } from './outflow.js'
import { type Outgoing, type OutgoingEnvironment, Receipt } from './outgoing.js'
import type { BlockSource } from './source.js'
import type { Stream } from './stream.js'

const DIGEST_BYTES = 16
/** What is known of a block: its digest; that it was sent once, and paid for; that the receiver says that it has it; that it has. */
const [KNOWN, SENT, CLAIMED, PLACED] = [1, 2, 4, 8] as const

/** An object that is read in blocks, in any order and again where one is lost: nothing of it is kept here but the digests of its blocks. */
export class OutgoingBlocks implements Outgoing {
  readonly id: number
  readonly #source: BlockSource
  readonly #environment: OutgoingEnvironment
  readonly #receipt = new Receipt()
  readonly #flow: Outflow
  readonly #count: number
  readonly #states: Uint8Array
  readonly #digests: Buffer
  /** Blocks whose digest is known. */
  #known = 0
  #isClaimed = false
  #isEnding = false
  readonly #inFlight = new Map<number, Stream>()
  /** Sent, and due once more. */
  readonly #lost = new Set<number>()
  /** Claimed by the receiver, and due after all. */
  readonly #refused = new Set<number>()
  #cursor = 0
  /** The first that the receiver may not have, at its furthest. */
  #frontier = 0
  #ending: Ending | undefined
  #ackedBytes = 0
  #ackedCostBytes = 0
  #isOver = false
  #wake: () => void = () => undefined

  constructor(id: number, source: BlockSource, environment: OutgoingEnvironment) {
    this.id = id
    this.#source = source
    this.#environment = environment
    this.#flow = new Outflow(id, environment.window, environment.events)
    this.#count = Math.ceil(source.lengthBytes / environment.chunkBytes)
    this.#states = new Uint8Array(this.#count)
    this.#digests = Buffer.alloc(this.#count * DIGEST_BYTES)
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
    return this.#source.lengthBytes - this.#ackedBytes
  }

  async run(): Promise<void> {
    try {
      // Until the receipt: what is lost or comes damaged is read once more.
      while (!this.#isOver) {
        await this.#endOnceKnown()
        const block = this.#next()
        if (block === undefined) await this.#rest()
        else if (await this.#hasRoom(block)) await this.#offer(block)
      }
    } catch (error) {
      this.fail(error)
    }
  }

  take(stream: Stream): Frame | undefined {
    const chunk = this.#flow.take(stream)
    if (chunk) this.#inFlight.set(chunk.frame.sequence, stream)
    return chunk?.frame
  }

  requeue(stream: Stream): void {
    for (const [block, carrier] of this.#inFlight) {
      if (carrier !== stream) continue
      this.#inFlight.delete(block)
      this.#lost.add(block)
    }
    this.#rouse()
  }

  again(block: number): void {
    if (block >= this.#count) throw this.#noSuchBlock(block)
    if (this.#is(block, PLACED)) this.#ackedBytes -= this.#bytesOf(block)
    this.#unmark(block, CLAIMED | PLACED)
    const due = this.#is(block, SENT) ? this.#lost : this.#refused
    due.add(block)
    this.#rouse()
  }

  have(ranges: readonly HaveRange[]): void {
    if (this.#isClaimed) throw amstError('ERR_AMST_PROTOCOL', `the peer says twice what it has of object ${this.id}`)
    this.#isClaimed = true
    for (const { first, count } of ranges) {
      if (first + count > this.#count) throw this.#noSuchBlock(first + count - 1)
      for (let block = first; block < first + count; block += 1) if (!this.#is(block, SENT)) this.#mark(block, CLAIMED)
    }
    void this.#verify(ranges).catch((error: unknown) => this.fail(error))
  }

  credit({ granted, placed }: Credit): void {
    for (const block of placed) {
      if (!this.#is(block, SENT)) throw amstError('ERR_AMST_PROTOCOL', `the peer acknowledges block ${block}, which was not sent`)
      if (this.#is(block, PLACED)) continue
      this.#inFlight.delete(block)
      this.#ackedCostBytes += this.#bytesOf(block) + CHUNK_COST_BYTES
      this.#settle(block)
    }
    this.#flow.grant(granted, this.#ackedCostBytes)
    this.#wake()
    this.#progress()
  }

  done(): void {
    const ending = this.#ending
    if (!ending) throw amstError('ERR_AMST_PROTOCOL', `the peer completed object ${this.id} before its end`)
    this.#ackedBytes = ending.lengthBytes
    this.#progress()
    if (this.#isOver) return
    this.#finish()
    this.#receipt.give(ending, 'blocks-xxh3-128')
  }

  fail(reason: unknown): void {
    if (this.#isOver) return
    this.#finish()
    this.#receipt.refuse(reason)
  }

  #finish(): void {
    this.#isOver = true
    this.#flow.stop()
    this.#rouse()
    this.#source.close?.().catch(() => undefined)
  }

  /** Stays the next one until it is offered. */
  #next(): number | undefined {
    for (const due of [this.#lost, this.#refused]) {
      for (const block of due) {
        if (!this.#is(block, CLAIMED | PLACED)) return block
        due.delete(block)
      }
    }
    while (this.#cursor < this.#count && this.#is(this.#cursor, SENT | CLAIMED | PLACED)) this.#cursor += 1
    while (this.#frontier < this.#cursor && this.#is(this.#frontier, CLAIMED | PLACED)) this.#frontier += 1
    return this.#cursor < this.#count && this.#cursor <= this.#frontier + BLOCKS_AHEAD ? this.#cursor : undefined
  }

  /** @returns false where another block is the next one by now. */
  async #hasRoom(block: number): Promise<boolean> {
    // One that is lost goes first: the receiver may give no window before it comes.
    const isPassed = (): boolean => this.#next() !== block
    await this.#flow.room(this.#is(block, SENT) ? 0 : this.#bytesOf(block) + CHUNK_COST_BYTES, isPassed)
    return !this.#isOver && !isPassed()
  }

  async #offer(block: number): Promise<void> {
    const body = await this.#read(block)
    // The peer may have said meanwhile that it has it.
    if (this.#isOver || this.#is(block, CLAIMED | PLACED)) return
    const wasSent = this.#is(block, SENT)
    this.#lost.delete(block)
    this.#refused.delete(block)
    this.#mark(block, SENT)
    const frame = { type: FRAME.chunk, id: this.id, sequence: block, body, digest: this.#digestOf(block) }
    this.#flow.push({ frame, stream: undefined, wasSent }, wasSent ? 0 : body.byteLength + CHUNK_COST_BYTES)
  }

  async #read(block: number): Promise<Uint8Array> {
    const { chunkBytes, hash } = this.#environment
    const lengthBytes = this.#bytesOf(block)
    const body = await this.#source.read(block * chunkBytes, lengthBytes)
    if (body.byteLength !== lengthBytes) {
      const text = `the source was asked for ${lengthBytes} bytes at ${block * chunkBytes} and gave ${body.byteLength}`
      throw amstError('ERR_AMST_SOURCE_LENGTH', text)
    }
    const digest = hash.xxh3_128(body)
    const known = this.#digestOf(block)
    if (this.#is(block, KNOWN)) {
      if (known.compare(digest) !== 0)
        throw amstError('ERR_AMST_SOURCE_CHANGED', 'the source changed while it was sent', { retryable: true })
    } else {
      known.set(digest)
      this.#mark(block, KNOWN)
      this.#known += 1
    }
    return body
  }

  async #verify(ranges: readonly HaveRange[]): Promise<void> {
    for (const { first, count, digest } of ranges) {
      const all = this.#environment.hash.stream()
      for (let block = first; block < first + count && !this.#isOver; block += 1) {
        await this.#read(block)
        all.update(this.#digestOf(block))
      }
      if (this.#isOver) return
      const isSame = Buffer.compare(all.digest(), digest) === 0
      this.#environment.events.control(FRAME.checked, this.id, encodeChecked({ first, count, isSame }))
      for (let block = first; block < first + count; block += 1) {
        if (!this.#is(block, CLAIMED)) continue
        if (isSame) this.#settle(block)
        else this.again(block)
      }
      this.#progress()
    }
    // The other loop may wait for a window that the receiver gives only when it has heard the end.
    await this.#endOnceKnown()
    this.#rouse()
  }

  #settle(block: number): void {
    this.#unmark(block, CLAIMED)
    this.#mark(block, PLACED)
    this.#ackedBytes += this.#bytesOf(block)
  }

  /** Any of these. */
  #is(block: number, marks: number): boolean {
    return ((this.#states[block] ?? 0) & marks) !== 0
  }

  #mark(block: number, mark: number): void {
    this.#states[block] = (this.#states[block] ?? 0) | mark
  }

  #unmark(block: number, marks: number): void {
    this.#states[block] = (this.#states[block] ?? 0) & ~marks
  }

  async #endOnceKnown(): Promise<void> {
    if (this.#isEnding || this.#known < this.#count) return
    this.#isEnding = true
    await this.#source.check?.()
    if (this.#isOver) return
    const digest = this.#environment.hash.xxh3_128(this.#digests)
    this.#ending = { chunks: this.#count, lengthBytes: this.#source.lengthBytes, digest }
    this.#environment.events.control(FRAME.end, this.id, encodeEnding(this.#ending))
  }

  #rouse(): void {
    this.#wake()
    this.#flow.wake()
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #bytesOf(block: number): number {
    const { chunkBytes } = this.#environment
    return Math.min(chunkBytes, this.#source.lengthBytes - block * chunkBytes)
  }

  #digestOf(block: number): Buffer {
    return this.#digests.subarray(block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES)
  }

  #progress(): void {
    try {
      this.#environment.onProgress?.({ ackedBytes: this.#ackedBytes, lengthBytes: this.#source.lengthBytes })
    } catch (error) {
      // The caller's mistake ends its object, not the session that others use.
      this.fail(error)
    }
  }

  #noSuchBlock(block: number): Error {
    return amstError('ERR_AMST_PROTOCOL', `the peer speaks of block ${block} of object ${this.id}, which has ${this.#count}`)
  }
}
