import type { Program } from './program.js'
import type { SliceInput } from './slice-input.js'

export interface SliceLoopOptions {
  readonly sliceMs: number
  readonly tickMs: number
  readonly budget: number
  /** What has passed on the program's clock since its last slice, on the node that it came from. */
  readonly sinceMs: number
  onSlice(input: SliceInput): void
  onFinished(): void
  onTrapped(error: unknown): void
}

const MOST_BUDGET = 2 ** 31 - 1
const MOST_GROWTH = 4
const MOST_THROTTLE = 0.99
/** A timer of the loop is no finer than this; shorter pauses add up first. */
const LEAST_PAUSE_MS = 1
/** setTimeout holds 31 bits. */
const MOST_WAIT_MS = 2 ** 31 - 1

/**
 * Runs a program slice by slice and returns to the event loop after each, so that a message waits for one slice at most.
 * An idle program costs nothing but a timer. Time stands still for the program while it is stopped.
 */
export class SliceLoop {
  readonly #program: Program
  readonly #options: SliceLoopOptions
  #running = false
  #trapped = false
  #budget: number
  #throttleRatio = 0
  #owedMs = 0
  /** Program time minus the host's monotonic time, while running. */
  #offsetMs = 0
  #sinceMs: number
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  busyMs = 0
  longestSliceMs = 0

  constructor(program: Program, options: SliceLoopOptions) {
    this.#program = program
    this.#options = options
    this.#budget = options.budget
    this.#sinceMs = options.sinceMs
  }

  get running(): boolean {
    return this.#running
  }
  get budget(): number {
    return this.#budget
  }
  get nowMs(): number {
    return this.#program.nowMs + this.sinceMs
  }
  /** What has passed on the program's clock since its last slice. */
  get sinceMs(): number {
    return this.#running ? Math.max(0, performance.now() + this.#offsetMs - this.#program.nowMs) : this.#sinceMs
  }

  start(): void {
    if (this.#running || this.#program.finished || this.#trapped) return
    this.#offsetMs = this.#program.nowMs + this.#sinceMs - performance.now()
    this.#running = true
    this.#schedule()
  }

  stop(): void {
    if (!this.#running) return
    this.#sinceMs = this.sinceMs
    this.#running = false
    this.#unschedule()
  }

  /** A request has come: an idle program runs at once, one that pauses for the throttle does not. */
  poke(): void {
    if (this.#running && this.#immediate === undefined && this.#owedMs < LEAST_PAUSE_MS) this.#runSoon()
  }

  /** @param ratio - Share of its running time that the program gives up, 0..1. */
  throttle(ratio: number): void {
    this.#throttleRatio = Math.min(MOST_THROTTLE, Math.max(0, ratio))
    if (this.#throttleRatio > 0) return
    this.#owedMs = 0
    if (this.#running && this.#program.more) this.#runSoon()
  }

  #turn = (): void => {
    this.#unschedule()
    if (!this.#running) return
    const startedMs = performance.now()
    try {
      const nowMs = Math.max(this.#program.nowMs, startedMs + this.#offsetMs)
      this.#options.onSlice(this.#program.slice(nowMs, this.#budget))
    } catch (error) {
      this.#trapped = true
      this.stop()
      this.#options.onTrapped(error)
      return
    }
    const tookMs = performance.now() - startedMs
    this.busyMs += tookMs
    this.longestSliceMs = Math.max(this.longestSliceMs, tookMs)
    this.#adapt(tookMs)
    if (this.#throttleRatio > 0) this.#owedMs += (tookMs * this.#throttleRatio) / (1 - this.#throttleRatio)
    if (this.#program.finished) {
      this.stop()
      this.#options.onFinished()
    } else this.#schedule()
  }

  /** A program that had nothing to do says nothing about how long its units take, unless they took too long. */
  #adapt(tookMs: number): void {
    const { sliceMs } = this.#options
    if (!this.#program.more && tookMs < sliceMs) return
    const factor = Math.min(MOST_GROWTH, sliceMs / Math.max(tookMs, sliceMs / MOST_GROWTH))
    this.#budget = Math.min(MOST_BUDGET, Math.max(1, Math.floor(this.#budget * factor)))
  }

  #schedule(): void {
    if (this.#owedMs >= LEAST_PAUSE_MS) return this.#pause()
    if (this.#program.more || this.#program.mailbox.hasArrivals) return this.#runSoon()
    const { wakeMs } = this.#program
    const waitMs = wakeMs === undefined ? this.#options.tickMs - this.sinceMs : wakeMs - this.nowMs
    if (waitMs === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(this.#turn, Math.min(Math.max(waitMs, 0), MOST_WAIT_MS))
  }

  #pause(): void {
    const startedMs = performance.now()
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#owedMs = Math.max(-this.#options.sliceMs, this.#owedMs - (performance.now() - startedMs))
      this.#schedule()
    }, this.#owedMs)
  }

  #runSoon(): void {
    this.#unschedule()
    this.#immediate = setImmediate(this.#turn)
  }

  #unschedule(): void {
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
    this.#immediate = undefined
    this.#timer = undefined
  }
}
