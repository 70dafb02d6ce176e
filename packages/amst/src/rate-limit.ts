import type { Clock } from '@dwcp/interface'
import { type ClassOptions, checkRate } from './class-shares.js'
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

/** One bucket and who waits for it: each in turn, so that sessions that share it get the same. */
class Gate {
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  readonly #waiting = new Set<() => void>()
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

  get isOpen(): boolean {
    return this.#bucket.waitMs(this.#clock.monotonicMs()) === 0
  }

  spend(bytes: number): void {
    this.#bucket.spend(bytes, this.#clock.monotonicMs())
  }

  wait(wake: () => void): void {
    this.#waiting.add(wake)
    if (!this.#timer) this.#arm()
  }

  forget(wake: () => void): void {
    this.#waiting.delete(wake)
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    if (this.#waiting.size === 0) return
    const waitMs = Math.min(LONGEST_WAIT_MS, Math.ceil(this.#bucket.waitMs(this.#clock.monotonicMs())))
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = undefined
      for (const wake of [...this.#waiting]) {
        if (!this.isOpen) break
        this.#waiting.delete(wake)
        wake()
      }
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

  admits(kind: 'chunk' | 'control'): boolean {
    return this.#gate(kind).isOpen
  }

  spend(kind: 'chunk' | 'control', bytes: number): void {
    this.#all.spend(bytes)
    if (kind === 'control') this.#control.spend(bytes)
  }

  /** Calls `wake` once when it may be so again; the same one waits but once. */
  wait(kind: 'chunk' | 'control', wake: () => void): void {
    this.#gate(kind).wait(wake)
  }

  forget(wake: () => void): void {
    this.#all.forget(wake)
    this.#control.forget(wake)
  }

  #gate(kind: 'chunk' | 'control'): Gate {
    return kind === 'chunk' ? this.#all : this.#control
  }
}
