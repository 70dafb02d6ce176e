import { amstError } from './errors.js'
import type { Frame, FrameType } from './frame.js'

interface Queued {
  readonly type: FrameType
  readonly id: number
  readonly body: Uint8Array
  readonly expiresAtMs: number
}

/** What a frame costs beyond its body. */
const FRAME_COST_BYTES = 128

/**
 * Control frames and messages of one session, in one order in each direction, whatever happens to the stream that
 * carries them: numbered when written, kept until acknowledged, written again on another stream when theirs dies. The
 * receiver passes each number once, in order.
 */
export class ControlLane {
  readonly #queueBytes: number
  readonly #queued: Queued[] = []
  #unacknowledged: Frame[] = []
  #rewritten = 0
  #nextSequence = 1
  #heldBytes = 0
  #received = 0

  constructor(queueBytes: number) {
    this.#queueBytes = queueBytes
  }

  /** The number of the last frame received in order: goes out in every header. */
  get received(): number {
    return this.#received
  }

  get idle(): boolean {
    return this.#queued.length === 0 && this.#rewritten === this.#unacknowledged.length
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  hasRoom(bodyBytes: number): boolean {
    return this.#heldBytes + bodyBytes + FRAME_COST_BYTES <= this.#queueBytes
  }

  push(type: FrameType, id: number, body: Uint8Array, expiresAtMs: number = Number.POSITIVE_INFINITY): void {
    this.#queued.push({ type, id, body, expiresAtMs })
    this.#heldBytes += body.byteLength + FRAME_COST_BYTES
  }

  /** The next frame to write; expired ones are passed over. */
  next(nowMs: number): Frame | undefined {
    const again = this.#unacknowledged[this.#rewritten]
    if (again) {
      this.#rewritten += 1
      return again
    }
    for (let queued = this.#queued.shift(); queued; queued = this.#queued.shift()) {
      if (queued.expiresAtMs <= nowMs) {
        this.#heldBytes -= queued.body.byteLength + FRAME_COST_BYTES
        continue
      }
      const frame: Frame = { type: queued.type, id: queued.id, sequence: this.#nextSequence, body: queued.body }
      this.#nextSequence = (this.#nextSequence + 1) >>> 0
      this.#unacknowledged.push(frame)
      this.#rewritten += 1
      return frame
    }
    return undefined
  }

  /** The peer has everything up to `sequence`; numbers wrap at 2^32. */
  acknowledge(sequence: number): void {
    let count = 0
    for (const frame of this.#unacknowledged) {
      if (((sequence - frame.sequence) | 0) < 0) break
      this.#heldBytes -= frame.body.byteLength + FRAME_COST_BYTES
      count += 1
    }
    if (count === 0) return
    this.#unacknowledged = this.#unacknowledged.slice(count)
    this.#rewritten = Math.max(0, this.#rewritten - count)
  }

  /** The stream that carried control frames is dead: all that is not acknowledged is written again. */
  rewind(): void {
    this.#rewritten = 0
  }

  /**
   * Whether to handle the frame of that number: not if it came before.
   * @throws `ERR_AMST_PROTOCOL` on a gap, which no honest sender leaves.
   */
  admit(sequence: number): boolean {
    const ahead = (sequence - this.#received) | 0
    if (ahead > 1) throw amstError('ERR_AMST_PROTOCOL', `control frame ${sequence} came after ${this.#received}`)
    if (ahead < 1) return false
    this.#received = sequence
    return true
  }
}
