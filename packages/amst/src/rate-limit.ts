import type { Clock } from '@dwcp/interface'
import { type ClassOptions, checkRate } from './class-shares.js'
import { FairTurns } from './fair-turns.js'
import { TokenBucket } from './token-bucket.js'

/** How fast, and what first. */
export interface RateOptions {
  /** What is sent at most, in bytes per second, from 1: by the session, or by all sessions of a listener or transport. @defaultValue no limit */
  readonly rateBytesPerSecond?: number
  /** Shares, floors and caps of the classes of objects, in each session. */
  readonly classes?: ClassOptions
}

/** Timers of years are none. */
const LONGEST_WAIT_MS = 60_000

/** Called when it may be so again; it also says who it is that waits, and pays. */
export type Wake = () => void

/** One bucket, and who waits for it: those that share it have turns by the weight of what they take. */
class Gate {
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  readonly #waiting = new Set<Wake>()
  readonly #turns = new FairTurns<Wake>()
  #turn: Wake | undefined
  #timer: Disposable | undefined

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock
    this.#bucket = new TokenBucket(bytesPerSecond, clock.monotonicMs())
  }

  get bytesPerSecond(): number {
    return this.#bucket.bytesPerSecond
  }

  set(bytesPerSecond: number): void {
    this.#bucket.set(bytesPerSecond, this.#clock.monotonicMs())
    this.#arm()
  }

  /** Not before others who wait. */
  admits(wake: Wake): boolean {
    const others = this.#waiting.size - (this.#waiting.has(wake) ? 1 : 0)
    return this.#isOpen && (others === 0 || this.#turn === wake)
  }

  spend(bytes: number, wake: Wake, weight: number): void {
    this.#bucket.spend(bytes, this.#clock.monotonicMs())
    this.#turns.charge(wake, bytes, weight)
  }

  wait(wake: Wake): void {
    this.#waiting.add(wake)
    if (!this.#timer) this.#arm()
  }

  forget(wake: Wake): void {
    this.#waiting.delete(wake)
    this.#turns.forget(wake)
  }

  get #isOpen(): boolean {
    return this.#bucket.waitMs(this.#clock.monotonicMs()) === 0
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    if (this.#waiting.size === 0) return
    const waitMs = Math.min(LONGEST_WAIT_MS, Math.ceil(this.#bucket.waitMs(this.#clock.monotonicMs())))
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = undefined
      for (let left = this.#waiting.size; left > 0 && this.#isOpen; left -= 1) {
        this.#turn = this.#turns.next(this.#waiting)
        if (!this.#turn) break
        this.#waiting.delete(this.#turn)
        this.#turn()
      }
      this.#turn = undefined
      if (!this.#timer) this.#arm()
    })
  }
}

/**
 * A limit on what one session, or several together, may send. Messages and control frames go first: objects get what these leave, and
 * only they themselves hold them up.
 */
export class RateLimit {
  readonly #all: Gate
  readonly #control: Gate

  constructor(clock: Clock, bytesPerSecond: number = Number.POSITIVE_INFINITY) {
    checkRate(bytesPerSecond)
    this.#all = new Gate(clock, bytesPerSecond)
    this.#control = new Gate(clock, bytesPerSecond)
  }

  get bytesPerSecond(): number {
    return this.#all.bytesPerSecond
  }

  /** @throws RangeError below 1. */
  set(bytesPerSecond: number): void {
    checkRate(bytesPerSecond)
    this.#all.set(bytesPerSecond)
    this.#control.set(bytesPerSecond)
  }

  admits(kind: 'chunk' | 'control', wake: Wake): boolean {
    return this.#gate(kind).admits(wake)
  }

  spendControl(bytes: number, wake: Wake): void {
    this.#control.spend(bytes, wake, 1)
    // Objects wait for it, and it counts for nobody's turn among them.
    this.#all.spend(bytes, wake, Number.POSITIVE_INFINITY)
  }

  /** `weight`: of the class whose chunk it is. */
  spendChunk(bytes: number, wake: Wake, weight: number): void {
    this.#all.spend(bytes, wake, weight)
  }

  /** Calls `wake` once; the same one waits but once. */
  wait(kind: 'chunk' | 'control', wake: Wake): void {
    this.#gate(kind).wait(wake)
  }

  forget(wake: Wake): void {
    this.#all.forget(wake)
    this.#control.forget(wake)
  }

  #gate(kind: 'chunk' | 'control'): Gate {
    return kind === 'chunk' ? this.#all : this.#control
  }
}
