import type { Clock, TrafficClass } from '@dwcp/interface'
import { ClassScheduler } from './class-scheduler.js'
import type { ClassShares } from './class-shares.js'
import { RateLimit, type Wake } from './rate-limit.js'

export interface EgressEnvironment {
  readonly clock: Clock
  readonly classes: ClassShares
  /** What this session shares with others. */
  readonly shared: RateLimit | undefined
  /** Something may leave that could not. */
  readonly ready: () => void
}

/** What a frame costs beyond its body: its header. */
const FRAME_COST_BYTES = 44
/** The kernel paces packets with their headers: a stream must not be slower for that than what it is given. */
const PACKET_OVERHEAD = 1.1
/** Slower, and signs of life would wait behind a chunk for longer than a peer waits for them. */
const STREAM_LEAST_BYTES_PER_SECOND = 131_072
/** As long as nothing says when: another class may have a chunk before. */
const LONGEST_WAIT_MS = 1000

/** What may leave one session now: whose chunk is next, and how fast. */
export class Egress {
  /** Of this session. */
  readonly own: RateLimit
  /** What the peer asked for. */
  readonly asked: RateLimit
  readonly #clock: Clock
  readonly #scheduler: ClassScheduler
  readonly #limits: readonly RateLimit[]
  readonly #classes: ClassShares
  readonly #wake: Wake
  #timer: Disposable | undefined
  #heldSinceMs: number | undefined
  #heldMs = 0
  #isOver = false

  constructor({ clock, classes, shared, ready }: EgressEnvironment) {
    this.#clock = clock
    this.#classes = classes
    this.#scheduler = new ClassScheduler(classes, clock.monotonicMs())
    this.own = new RateLimit(clock)
    this.asked = new RateLimit(clock)
    this.#limits = shared ? [this.own, this.asked, shared] : [this.own, this.asked]
    this.#wake = () => {
      this.#release()
      ready()
    }
  }

  /** Of all limits together. */
  get bytesPerSecond(): number {
    return Math.min(this.#scheduler.capBytesPerSecond, ...this.#limits.map((limit) => limit.bytesPerSecond))
  }

  /**
   * For the kernel, so that chunks leave as a flow and not as bursts. Each stream may be as fast as all together: the sum is held here, and
   * a chunk on its own takes no longer than it must.
   */
  get streamBytesPerSecond(): number {
    return Math.max(STREAM_LEAST_BYTES_PER_SECOND, this.bytesPerSecond * PACKET_OVERHEAD)
  }

  /** For how long chunks were there, and streams for them, and a limit held them. */
  get heldMs(): number {
    return this.#heldMs + (this.#heldSinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#heldSinceMs)
  }

  advise(caps: ReadonlyMap<TrafficClass, number>): void {
    this.#scheduler.advise(caps, this.#clock.monotonicMs())
    this.#wakeLater(0)
  }

  /** Whether messages and control frames may leave; `ready` comes when they may again. */
  admitsControl(): boolean {
    const limit = this.#limits.find((one) => !one.admits('control', this.#wake))
    if (!limit) return true
    if (!this.#isOver) limit.wait('control', this.#wake)
    return false
  }

  spendControl(bodyBytes: number): void {
    for (const limit of this.#limits) limit.spendControl(bodyBytes + FRAME_COST_BYTES, this.#wake)
  }

  /** Whose chunk may leave now; where some wait and none may, `ready` comes later. */
  next(isWaiting: (name: TrafficClass) => boolean): TrafficClass | undefined {
    const nowMs = this.#clock.monotonicMs()
    const waitMs = this.#scheduler.waitMs(nowMs, isWaiting)
    if (waitMs === Number.POSITIVE_INFINITY || this.#isOver) return undefined
    const limit = this.#limits.find((one) => !one.admits('chunk', this.#wake))
    if (limit) limit.wait('chunk', this.#wake)
    else if (waitMs > 0) this.#wakeLater(waitMs)
    else {
      this.#release()
      return this.#scheduler.next(nowMs, isWaiting)
    }
    this.#heldSinceMs ??= nowMs
    return undefined
  }

  spend(name: TrafficClass, bodyBytes: number): void {
    this.#scheduler.spend(name, bodyBytes + FRAME_COST_BYTES, this.#clock.monotonicMs())
    for (const limit of this.#limits) limit.spendChunk(bodyBytes + FRAME_COST_BYTES, this.#wake, this.#classes[name].weight)
  }

  stop(): void {
    this.#isOver = true
    this.#timer?.[Symbol.dispose]()
    for (const limit of this.#limits) limit.forget(this.#wake)
    this.#release()
  }

  #wakeLater(waitMs: number): void {
    if (this.#isOver) return
    this.#timer?.[Symbol.dispose]()
    this.#timer = this.#clock.after(Math.min(waitMs, LONGEST_WAIT_MS), this.#wake)
  }

  #release(): void {
    if (this.#heldSinceMs === undefined) return
    this.#heldMs += this.#clock.monotonicMs() - this.#heldSinceMs
    this.#heldSinceMs = undefined
  }
}
