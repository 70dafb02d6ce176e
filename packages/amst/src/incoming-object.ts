import { type Clock, type NodeId, TRAFFIC_CLASSES, type TrafficClass } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { BlockMap } from './block-map.js'
import { type Checked, type Ending, encodeCredit, encodeHave, encodeNumber, encodeTrouble, haveRangesIn, type Opening } from './body.js'
import { amstError, asError, codeOf, messageOf } from './errors.js'
import { EMPTY, FRAME, type FrameType, type ReceivedFrame } from './frame.js'
import { CHUNK_COST_BYTES } from './outflow.js'
import { type SavedObject, type SaveOptions, saveTransfer } from './save.js'
import type { Sink } from './sink.js'

/** An object that arrives on a session. */
export interface IncomingTransfer {
  readonly name: string
  readonly metadata: Uint8Array
  readonly class: TrafficClass
  readonly lengthBytes?: number
  /** What the sender would resume it by, if this end saves it with a journal. */
  readonly resumeKey?: string
  /** Read once, in order; the chunks are yours. Ends only after the whole object was verified. Leaving it early rejects the object. */
  readonly stream: AsyncIterable<Uint8Array>
  /**
   * Reads the object into a sink and completes it, instead of reading its stream. A path gets the file by one rename, after it is
   * whole, verified and on disk; what was there is replaced. Of other sinks, what came before a failure stays in them.
   * @throws `ERR_AMST_SINK` with the sink's error as `cause`, what its stream throws, or `signal.reason`.
   */
  saveTo(sink: Sink, options?: SaveOptions): Promise<SavedObject>
  /**
   * The sender's receipt.
   * @throws `ERR_AMST_INCOMPLETE` before the stream has ended.
   */
  complete(): void
  /** The sender's `ERR_AMST_REJECTED`, with this error's code and message. No-op once it is over. */
  reject(error: unknown): void
}

/** A block that came, with where it belongs. */
export interface ArrivedBlock {
  readonly block: number
  readonly offset: number
  readonly bytes: Uint8Array
  readonly digest: Uint8Array
}

/** What saving needs of an object, beyond what applications see. */
export interface Arrival {
  readonly peer: NodeId
  readonly opening: Opening
  readonly hash: Hash
  readonly transfer: IncomingTransfer
  /** Of an object in blocks. */
  readonly blocks: BlockMap | undefined
  /**
   * Tells the sender what the map claims, then gives what comes in the order in which it comes, until all blocks are here and verified.
   * @param whole - The digest of an object that was completed before: nothing comes if the sender's is the same.
   */
  readBlocks(whole: Uint8Array | undefined): AsyncIterable<ArrivedBlock>
  /** A claim was looked into. */
  readonly settleClaim: (block: number, isRight: boolean) => void
  /** Completes the object where there is still somebody to tell. */
  completeIfOpen(): void
}

export interface IncomingEnvironment {
  readonly peer: NodeId
  readonly clock: Clock
  readonly hash: Hash
  readonly initialWindowBytes: number
  readonly windowBytes: number
  /** Of the longest chunk. */
  readonly chunkBytes: number
  /** Of the longest control frame. */
  readonly controlBytes: number
}

export interface IncomingEvents {
  readonly control: (type: FrameType, id: number, body: Uint8Array) => void
  /** Whether its window may be so much larger. */
  readonly mayWiden: (object: IncomingObjectState, bytes: number) => boolean
  /** Nothing more will come of it. */
  readonly over: (object: IncomingObjectState) => void
}

/** A chunk that nobody has read yet. */
interface Arrived {
  readonly bytes: Uint8Array
  readonly digest: Uint8Array
}

/** Of an object in blocks. */
interface Layout {
  readonly map: BlockMap
  readonly blockBytes: number
  readonly lengthBytes: number
}

/** For how long the sender need not know that a reader has caught up: at 2 GB/s that is some 16 chunks, and one frame instead of 16. */
const TELL_MS = 2

/** Hands the chunks of an object to one reader, and grants the sender as much as the reader has taken. */
export class IncomingObjectState {
  readonly id: number
  readonly #environment: IncomingEnvironment
  readonly #events: IncomingEvents
  readonly #chunks = new Map<number, Arrived>()
  /** As announced. */
  #lengthBytes: number | undefined
  #layout: Layout | undefined
  #windowBytes: number
  #granted: number
  #toldGranted: number
  /** Taken since the sender was last told. */
  #taken: number[] = []
  #telling: Disposable | undefined
  /** What had arrived when the window last grew. */
  #widenedAt = 0
  #arrivedCost = 0
  #arrived = 0
  #nextRead = 0
  #readBytes = 0
  #readCost = 0
  #ending: Ending | undefined
  #state: 'open' | 'reading' | 'ended' | 'over' = 'open'
  #broken: Error | undefined
  #wake: () => void = () => undefined

  constructor(id: number, environment: IncomingEnvironment, events: IncomingEvents) {
    this.id = id
    this.#environment = environment
    this.#events = events
    this.#granted = environment.initialWindowBytes
    this.#toldGranted = environment.initialWindowBytes
    this.#windowBytes = environment.windowBytes
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  /** @throws `ERR_AMST_PROTOCOL` for an opening that cannot be, or that chunks which came before it do not fit. */
  transfer(opening: Opening): IncomingTransfer {
    const trafficClass = TRAFFIC_CLASSES[opening.className]
    if (!trafficClass) throw amstError('ERR_AMST_PROTOCOL', `unknown traffic class ${opening.className}`)
    const { blockBytes, key, lengthBytes, metadata, name } = opening
    const { hash, peer } = this.#environment
    this.#lengthBytes = lengthBytes
    if (blockBytes > 0 && lengthBytes !== undefined) {
      const map = new BlockMap(Math.ceil(lengthBytes / blockBytes))
      this.#layout = { map, blockBytes, lengthBytes }
      for (const [sequence, { bytes }] of this.#chunks) this.#checkBlock(this.#layout, sequence, bytes)
    }
    const arrival = (transfer: IncomingTransfer): Arrival => ({
      peer,
      opening,
      hash,
      transfer,
      blocks: this.#layout?.map,
      readBlocks: (whole) => this.#readBlocks(whole),
      settleClaim: (block, isRight) => this.#settleClaim(block, isRight),
      completeIfOpen: () => {
        if (this.#state !== 'over') this.#complete()
      },
    })
    const transfer: IncomingTransfer = {
      name,
      metadata,
      class: trafficClass,
      ...(lengthBytes === undefined ? {} : { lengthBytes }),
      ...(key === '' ? {} : { resumeKey: key }),
      stream: { [Symbol.asyncIterator]: () => this.#readInOrder() },
      complete: () => this.#complete(),
      reject: (error) => this.reject(error),
      saveTo: (sink, options = {}) => saveTransfer(arrival(transfer), sink, options),
    }
    return transfer
  }

  /** @throws `ERR_AMST_PROTOCOL` for a sender that disregards its window, or sends no block of the object. */
  chunk(frame: ReceivedFrame): void {
    const { sequence, body, digest } = frame
    if (this.#state === 'over' || sequence < this.#arrived || this.#chunks.has(sequence) || this.#layout?.map.hasCome(sequence)) return
    if (this.#layout) this.#checkBlock(this.#layout, sequence, body)
    this.#arrivedCost += body.byteLength + CHUNK_COST_BYTES
    if (this.#arrivedCost > this.#granted)
      throw amstError('ERR_AMST_PROTOCOL', `object ${this.id} went past its window of ${this.#granted} bytes`)
    this.#chunks.set(sequence, { bytes: body, digest })
    while (this.#chunks.has(this.#arrived)) this.#arrived += 1
    this.#wake()
  }

  damaged(sequence: number): void {
    if (this.#state !== 'over' && sequence >= this.#arrived && !this.#layout?.map.hasCome(sequence)) this.#askAgain(sequence)
  }

  end(ending: Ending): void {
    this.#ending = { ...ending, digest: Uint8Array.from(ending.digest) }
    this.#wake()
  }

  /** What the sender says of a range that this end has claimed. @throws `ERR_AMST_PROTOCOL` for blocks that there are not. */
  checked({ first, count, isSame }: Checked): void {
    const map = this.#layout?.map
    if (!map || first + count > map.count)
      throw amstError('ERR_AMST_PROTOCOL', `the peer speaks of ${count} blocks from ${first} on, which object ${this.id} does not have`)
    map.compared(first, count, isSame)
    this.#wake()
  }

  /** The sender has more, and little or nothing left of what was granted. */
  short(granted: number): void {
    if (granted > this.#granted)
      throw amstError('ERR_AMST_PROTOCOL', `object ${this.id} was granted ${this.#granted} bytes, and not ${granted}`)
    this.#considerWidening()
  }

  /** Tells the sender, and the reader where there is one. */
  reject(error: unknown): void {
    if (this.#state === 'over') return
    this.#events.control(FRAME.reject, this.id, encodeTrouble(codeOf(error), messageOf(error)))
    this.#finish(asError(error))
  }

  /** The sender or the session is gone. */
  fail(reason: Error): void {
    if (this.#state !== 'over') this.#finish(reason)
  }

  #complete(): void {
    if (this.#state === 'over') throw this.#broken ?? alreadyOver()
    if (this.#state !== 'ended') throw amstError('ERR_AMST_INCOMPLETE', 'the object has not been read to its end: read it, or reject it')
    this.#events.control(FRAME.done, this.id, EMPTY)
    this.#finish(undefined)
  }

  #finish(broken: Error | undefined): void {
    this.#state = 'over'
    this.#broken = broken
    this.#chunks.clear()
    this.#telling?.[Symbol.dispose]()
    this.#wake()
    this.#events.over(this)
  }

  async *#readInOrder(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#begin()
    const { hash } = this.#environment
    const map = this.#layout?.map
    const whole = hash.stream()
    try {
      // Until the end of the object, at the pace of its reader.
      for (;;) {
        const chunk = this.#chunks.get(this.#nextRead)
        this.#grant(chunk !== undefined)
        if (this.#broken) throw this.#broken
        if (chunk) {
          this.#take(this.#nextRead, chunk.bytes)
          if (map) map.place(this.#nextRead, chunk.digest)
          else whole.update(chunk.bytes)
          this.#nextRead += 1
          yield chunk.bytes
        } else if (this.#ending && this.#nextRead >= this.#ending.chunks) {
          const digest = map ? map.digest(hash) : whole.digest()
          this.#verify(this.#ending, { chunks: this.#nextRead, lengthBytes: this.#readBytes, digest })
          return
        } else await this.#news()
      }
    } finally {
      this.#leave()
    }
  }

  async *#readBlocks(whole: Uint8Array | undefined): AsyncGenerator<ArrivedBlock, void, undefined> {
    const layout = this.#layout
    if (!layout) throw new TypeError('the object does not come in blocks')
    this.#begin()
    const { hash } = this.#environment
    const { map, blockBytes, lengthBytes } = layout
    try {
      this.#sayWhatIsHere(map, whole)
      let repeated = whole
      // Until the end of the object, at the pace of its reader.
      for (;;) {
        const [next] = this.#chunks
        if (!repeated) this.#grant(next !== undefined)
        if (this.#broken) throw this.#broken
        if (repeated && this.#ending && !isSame(repeated, this.#ending.digest)) repeated = undefined
        else if (this.#ending && (repeated || map.isWhole)) {
          this.#verify(this.#ending, { chunks: map.count, lengthBytes, digest: repeated ?? map.digest(hash) })
          return
        } else if (next && !repeated) {
          const [block, { bytes, digest }] = next
          this.#take(block, bytes)
          map.place(block, digest)
          yield { block, offset: block * blockBytes, bytes, digest }
        } else await this.#news()
      }
    } finally {
      this.#leave()
    }
  }

  #sayWhatIsHere(map: BlockMap, whole: Uint8Array | undefined): void {
    const { controlBytes, hash } = this.#environment
    const ranges = whole ? [{ first: 0, count: map.count, digest: whole }] : map.claims(hash, haveRangesIn(controlBytes))
    if (ranges.length > 0) this.#events.control(FRAME.have, this.id, encodeHave(ranges))
  }

  #settleClaim(block: number, isRight: boolean): void {
    const map = this.#layout?.map
    if (!map?.isClaimed(block) || this.#state === 'over') return
    if (isRight) map.confirm(block)
    else {
      map.refuse(block)
      this.#askAgain(block)
    }
    this.#wake()
  }

  #begin(): void {
    if (this.#state === 'over') throw this.#broken ?? alreadyOver()
    if (this.#state !== 'open') throw new TypeError('the bytes of an object are read once')
    this.#state = 'reading'
  }

  #leave(): void {
    if (this.#state === 'reading') this.reject(amstError('ERR_AMST_INCOMPLETE', 'the receiver stopped reading before the end'))
  }

  #take(sequence: number, bytes: Uint8Array): void {
    this.#chunks.delete(sequence)
    this.#taken.push(sequence)
    this.#readBytes += bytes.byteLength
    this.#readCost += bytes.byteLength + CHUNK_COST_BYTES
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #askAgain(sequence: number): void {
    this.#events.control(FRAME.again, this.id, encodeNumber(sequence))
  }

  #grant(hasNext: boolean): void {
    this.#granted = Math.max(this.#granted, this.#readCost + this.#windowBytes)
    if (this.#granted - this.#toldGranted >= this.#windowBytes / 4) return this.#tell()
    // A live source may wait to hear that all of it has been taken.
    if (this.#taken.length > 0 && !hasNext) this.#telling ??= this.#environment.clock.after(TELL_MS, () => this.#tell())
  }

  #tell(): void {
    this.#telling?.[Symbol.dispose]()
    this.#telling = undefined
    if (this.#state === 'over' || (this.#ending && !this.#layout)) return
    const [received, placed] = this.#layout ? [0, this.#taken] : [this.#nextRead, []]
    this.#toldGranted = this.#granted
    this.#taken = []
    this.#events.control(FRAME.credit, this.id, encodeCredit({ received, granted: this.#granted, placed }))
  }

  /**
   * A sender that runs short while the reader has kept up: the path holds more. Half a window must have come since the last time, or the
   * last widening may not have told yet.
   */
  #considerWidening(): void {
    const keepsUp = this.#state === 'reading' && this.#arrivedCost - this.#readCost <= this.#windowBytes / 4
    if (!keepsUp || this.#arrivedCost < this.#widenedAt + this.#windowBytes / 2) return
    if (!this.#events.mayWiden(this, this.#windowBytes)) return
    this.#widenedAt = this.#arrivedCost
    this.#windowBytes *= 2
    this.#grant(this.#chunks.size > 0)
  }

  #checkBlock({ map, blockBytes, lengthBytes }: Layout, sequence: number, { byteLength }: Uint8Array): void {
    if (map.mayCome(sequence) && byteLength === Math.min(blockBytes, lengthBytes - sequence * blockBytes)) return
    throw amstError('ERR_AMST_PROTOCOL', `a chunk of ${byteLength} bytes is not block ${sequence} of object ${this.id}`)
  }

  #verify(ending: Ending, came: Ending): void {
    const isRight =
      ending.lengthBytes === came.lengthBytes &&
      (this.#lengthBytes ?? came.lengthBytes) === came.lengthBytes &&
      ending.chunks === came.chunks &&
      isSame(ending.digest, came.digest)
    if (isRight) {
      this.#state = 'ended'
      return
    }
    const error = amstError(
      'ERR_AMST_CORRUPT',
      `object ${this.id} arrived with ${came.lengthBytes} bytes that are not the ${ending.lengthBytes} that were sent`,
    )
    this.reject(error)
    throw error
  }
}

const alreadyOver = (): Error => amstError('ERR_AMST_INCOMPLETE', 'the object is over already')

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
