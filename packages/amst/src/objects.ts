import { type Clock, type NodeId, type ObjectProgress, type ObjectReceipt, TRAFFIC_CLASSES, type TrafficClass } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { AsyncQueue } from './async-queue.js'
import {
  areBlocks,
  decodeChecked,
  decodeCredit,
  decodeEnding,
  decodeHave,
  decodeLength,
  decodeNumber,
  decodeOpening,
  decodeTrouble,
  encodeOpening,
  encodeTrouble,
} from './body.js'
import { amstError, codeOf, messageOf } from './errors.js'
import { FRAME, type Frame, type FrameType, type ReceivedFrame } from './frame.js'
import type { Allowance } from './hello.js'
import { IncomingObjectState, type IncomingTransfer } from './incoming-object.js'
import type { AmstLimits } from './limits.js'
import type { Outgoing, OutgoingEnvironment } from './outgoing.js'
import { OutgoingBlocks } from './outgoing-blocks.js'
import { OutgoingStream } from './outgoing-stream.js'
import { type BlockSource, isBlockSource, type SendSource, type StreamSource, sourceOf } from './source.js'
import type { Stream } from './stream.js'

/** What to call an object, how urgent it is, how to follow and to cancel it. */
export interface SendOptions {
  /** At most 1024 bytes of UTF-8. @defaultValue '' */
  readonly name?: string
  /** Bounded by the peer's `metadataBytes`. */
  readonly metadata?: Uint8Array
  /** @defaultValue 'bulk' */
  readonly class?: TrafficClass
  /**
   * Names the object for its receiver, at most 255 bytes of UTF-8: sent again under the same key, also in another session and by another
   * process, it goes on where it was, if the receiver saves it with a journal. Only of bytes and a {@link BlockSource}.
   */
  readonly resume?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ObjectProgress) => void
}

export interface ObjectsEnvironment {
  readonly peer: NodeId
  readonly clock: Clock
  readonly hash: Hash
  readonly limits: AmstLimits
  readonly allowance: Allowance
  readonly control: (type: FrameType, id: number, body: Uint8Array) => void
  readonly pump: () => void
  readonly isWideArea: () => boolean
}

/**
 * Of a new object, before the peer has answered: what it has already goes out in vain. A round trip costs nothing on a near path; on a
 * long one each stream is to have a chunk before the first answer.
 */
const NEAR_FIRST_BYTES = 1_048_576
/** On a long path the answer comes when as much again is on its way, and streams start by doubling what they send. */
const WIDE_AREA_SHORT_SHARE = 0.5
const NAME_BYTES_MAX = 1024
const KEY_BYTES_MAX = 255

/** The objects of one session, in both directions. */
export class Objects {
  readonly incoming: AsyncQueue<IncomingTransfer> = new AsyncQueue()
  readonly #environment: ObjectsEnvironment
  readonly #windowBytes: number
  readonly #outgoing = new Map<number, Outgoing>()
  readonly #arriving = new Map<number, IncomingObjectState>()
  /** By class, whose turn it is: each object in turn gives one chunk. */
  readonly #turns = new Map<TrafficClass, Outgoing[]>()
  #nextId = 1
  #lastOpened = 0
  #sent = 0
  #received = 0
  #resentBytes = 0
  #corruptChunks = 0
  /** What windows of arriving objects have beyond what all begin with. */
  #grownBytes = 0

  constructor(environment: ObjectsEnvironment) {
    this.#environment = environment
    this.#windowBytes = Math.min(environment.limits.objectWindowBytes, environment.allowance.objectWindowBytes)
  }

  get stats(): {
    readonly objectsSent: number
    readonly objectsReceived: number
    readonly objectsOpen: number
    readonly resentBytes: number
    readonly corruptChunks: number
  } {
    let resentBytes = this.#resentBytes
    for (const object of this.#outgoing.values()) resentBytes += object.resentBytes
    return {
      objectsSent: this.#sent,
      objectsReceived: this.#received,
      objectsOpen: this.#outgoing.size + this.#arriving.size,
      resentBytes,
      corruptChunks: this.#corruptChunks,
    }
  }

  get outgoing(): number {
    return this.#outgoing.size
  }

  /** Not yet acknowledged, of each class that has any. */
  get backlogBytes(): ReadonlyMap<TrafficClass, number> {
    return new Map([...this.#turns].map(([name, turn]) => [name, turn.reduce((sum, object) => sum + object.backlogBytes, 0)]))
  }

  async send(given: SendSource, options: SendOptions): Promise<ObjectReceipt> {
    options.signal?.throwIfAborted()
    const { allowance, control, hash, limits } = this.#environment
    const source = sourceOf(given)
    const chunkBytes = Math.min(limits.chunkBytes, allowance.chunkBytes)
    const body = this.#opening(source, chunkBytes, options)
    if (this.#outgoing.size >= allowance.openObjects) {
      throw amstError('ERR_AMST_LIMIT', `${allowance.openObjects} objects are open, which is what the peer takes: wait for one to end`, {
        retryable: true,
      })
    }
    const isWideArea = this.#environment.isWideArea()
    const id = this.#nextId
    if (id > 0xffff_ffff)
      throw amstError('ERR_AMST_LIMIT', 'the numbers for objects of this session are used up: open another', { retryable: true })
    this.#nextId += 1
    const environment: OutgoingEnvironment = {
      hash,
      chunkBytes,
      window: {
        initialBytes: Math.min(
          limits.initialWindowBytes,
          allowance.initialWindowBytes,
          isWideArea ? Number.POSITIVE_INFINITY : NEAR_FIRST_BYTES,
        ),
        maxBytes: limits.objectWindowMaxBytes,
        shortShare: () => (this.#environment.isWideArea() ? WIDE_AREA_SHORT_SHARE : 0),
      },
      events: { control, ready: this.#environment.pump },
      onProgress: options.onProgress,
    }
    const object = isBlockSource(source) ? new OutgoingBlocks(id, source, environment) : new OutgoingStream(id, source, environment)
    const abort = (): void => this.#cancel(object, options.signal?.reason)
    options.signal?.addEventListener('abort', abort, { once: true })
    this.#outgoing.set(id, object)
    const { class: className = 'bulk' } = options
    this.#turns.set(className, [...(this.#turns.get(className) ?? []), object])
    this.#environment.control(FRAME.open, id, body)
    // What breaks the source settles the receipt; the peer is told below.
    void object.run()
    try {
      const receipt = await object.receipt
      this.#sent += 1
      return receipt
    } catch (error) {
      // Still there: neither the peer nor the caller ended it, so the peer does not know yet.
      if (this.#outgoing.has(id)) this.#environment.control(FRAME.cancel, id, encodeTrouble(codeOf(error), messageOf(error)))
      throw error
    } finally {
      this.#forget(object)
      options.signal?.removeEventListener('abort', abort)
    }
  }

  /** Whether a chunk of the class waits for a stream. */
  isWaiting(className: TrafficClass): boolean {
    return this.#turns.get(className)?.some(({ isReady }) => isReady) ?? false
  }

  /** The next chunk of the class for a stream that takes one. */
  nextChunk(stream: Stream, className: TrafficClass): Frame | undefined {
    const turn = this.#turns.get(className) ?? []
    for (let tries = turn.length; tries > 0; tries -= 1) {
      const object = turn.shift()
      if (!object) return undefined
      turn.push(object)
      const chunk = object.take(stream)
      if (chunk) return chunk
    }
    return undefined
  }

  streamDied(stream: Stream): void {
    for (const object of this.#outgoing.values()) object.requeue(stream)
  }

  /** A chunk; it may come before its object's opening, which takes another stream. */
  takeChunk(frame: ReceivedFrame, stream: Stream): void {
    let object = this.#arriving.get(frame.id)
    if (!object) {
      if (frame.id <= this.#lastOpened) return
      // Its opening is behind on another stream. Past the bound the stream is given up, and the chunk sent again on another.
      if (this.#arriving.size >= 2 * this.#environment.limits.openObjects) {
        return stream.fail(amstError('ERR_AMST_LIMIT', 'too many chunks came before the openings of their objects', { retryable: true }))
      }
      object = this.#arrive(frame.id)
    }
    if (frame.intact) return object.chunk(frame)
    this.#corruptChunks += 1
    object.damaged(frame.sequence)
    stream.damaged(this.#environment.limits.corruptChunksPerStream)
  }

  /** A control frame about an object. */
  take({ type, id, body }: ReceivedFrame): void {
    switch (type) {
      case FRAME.open:
        return this.#takeOpen(id, body)
      case FRAME.end:
        return this.#arriving.get(id)?.end(decodeEnding(body))
      case FRAME.cancel: {
        const { code, message } = decodeTrouble(body)
        this.#arriving
          .get(id)
          ?.fail(amstError('ERR_AMST_CANCELLED', `the sender gave the object up: ${message}`, { details: { peerCode: code } }))
        return
      }
      case FRAME.credit:
        return this.#outgoing.get(id)?.credit(decodeCredit(body))
      case FRAME.have:
        return this.#outgoing.get(id)?.have(decodeHave(body))
      case FRAME.checked:
        return this.#arriving.get(id)?.checked(decodeChecked(body))
      case FRAME.short:
        return this.#arriving.get(id)?.short(decodeLength(body))
      case FRAME.again:
        return this.#outgoing.get(id)?.again(decodeNumber(body))
      case FRAME.done:
        return this.#outgoing.get(id)?.done()
      case FRAME.reject: {
        const object = this.#outgoing.get(id)
        const { code, message } = decodeTrouble(body)
        if (!object) return
        this.#forget(object)
        object.fail(amstError('ERR_AMST_REJECTED', `the receiver rejected the object: ${message}`, { details: { peerCode: code } }))
        return
      }
      default:
        throw amstError('ERR_AMST_PROTOCOL', `a frame of type ${type} is not about objects`)
    }
  }

  failAll(reason: Error): void {
    for (const object of [...this.#outgoing.values()]) {
      this.#forget(object)
      object.fail(reason)
    }
    for (const object of [...this.#arriving.values()]) object.fail(reason)
    this.incoming.end()
  }

  #takeOpen(id: number, body: Buffer): void {
    if (id !== this.#lastOpened + 1) throw amstError('ERR_AMST_PROTOCOL', `object ${id} was opened after ${this.#lastOpened}`)
    const opening = decodeOpening(body)
    const { limits } = this.#environment
    if (opening.metadata.byteLength > limits.metadataBytes)
      throw amstError('ERR_AMST_PROTOCOL', `metadata of ${opening.metadata.byteLength} bytes`)
    const opened = [...this.#arriving.keys()].filter((other) => other < id).length
    if (opened >= limits.openObjects)
      throw amstError('ERR_AMST_PROTOCOL', `the peer opened more than ${limits.openObjects} objects at once`)
    const object = this.#arriving.get(id) ?? this.#arrive(id)
    this.#lastOpened = id
    this.incoming.push(object.transfer(opening))
  }

  #arrive(id: number): IncomingObjectState {
    const { allowance, clock, hash, limits } = this.#environment
    const object = new IncomingObjectState(
      id,
      {
        peer: this.#environment.peer,
        clock,
        hash,
        initialWindowBytes: Math.min(limits.initialWindowBytes, allowance.initialWindowBytes),
        windowBytes: this.#windowBytes,
        chunkBytes: limits.chunkBytes,
        controlBytes: limits.messageBytes,
      },
      {
        control: this.#environment.control,
        mayWiden: (state, bytes) => this.#mayWiden(state, bytes),
        over: (state) => {
          this.#arriving.delete(state.id)
          this.#grownBytes -= state.windowBytes - this.#windowBytes
          this.#received += 1
        },
      },
    )
    this.#arriving.set(id, object)
    return object
  }

  #mayWiden({ windowBytes }: IncomingObjectState, bytes: number): boolean {
    const { objectWindowMaxBytes, windowGrowthBytes } = this.#environment.limits
    if (windowBytes + bytes > objectWindowMaxBytes || this.#grownBytes + bytes > windowGrowthBytes) return false
    this.#grownBytes += bytes
    return true
  }

  #cancel(object: Outgoing, reason: unknown): void {
    if (!this.#outgoing.has(object.id)) return
    this.#environment.control(FRAME.cancel, object.id, encodeTrouble(codeOf(reason), messageOf(reason)))
    this.#forget(object)
    object.fail(reason)
  }

  #forget(object: Outgoing): void {
    if (!this.#outgoing.delete(object.id)) return
    this.#resentBytes += object.resentBytes
    for (const [name, turn] of this.#turns) {
      const others = turn.filter((other) => other !== object)
      if (others.length > 0) this.#turns.set(name, others)
      else this.#turns.delete(name)
    }
  }

  #opening(source: BlockSource | StreamSource, chunkBytes: number, options: SendOptions): Uint8Array {
    const { class: className = 'bulk', metadata = new Uint8Array(0), name = '', resume: key = '' } = options
    if (Buffer.byteLength(name) > NAME_BYTES_MAX)
      throw new RangeError(`a name of ${Buffer.byteLength(name)} bytes is past ${NAME_BYTES_MAX}`)
    if (Buffer.byteLength(key) > KEY_BYTES_MAX)
      throw new RangeError(`a key of ${Buffer.byteLength(key)} bytes is past ${KEY_BYTES_MAX}: digest it`)
    if (metadata.byteLength > this.#environment.allowance.metadataBytes) {
      throw new RangeError(
        `metadata of ${metadata.byteLength} bytes is past ${this.#environment.allowance.metadataBytes}, which is what the peer takes`,
      )
    }
    const inBlocks = isBlockSource(source)
    if (inBlocks && !areBlocks(source.lengthBytes, chunkBytes))
      throw new RangeError(`${source.lengthBytes} bytes are too many blocks of ${chunkBytes}: allow larger chunks, or send it in parts`)
    if (key !== '' && !inBlocks) throw new TypeError('only bytes, and what can be read at any place, can be resumed: give fileSource(path)')
    const { lengthBytes } = source
    return encodeOpening({
      className: TRAFFIC_CLASSES.indexOf(className),
      lengthBytes,
      blockBytes: inBlocks ? chunkBytes : 0,
      key,
      name,
      metadata,
    })
  }
}
