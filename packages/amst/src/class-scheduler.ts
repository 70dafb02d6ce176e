import { TRAFFIC_CLASSES, type TrafficClass } from '@dwcp/interface'
import type { ClassShares } from './class-shares.js'
import { FairTurns } from './fair-turns.js'
import { TokenBucket } from './token-bucket.js'

interface Lane {
  readonly name: TrafficClass
  readonly weight: number
  readonly mostBytesPerSecond: number
  readonly floor: TokenBucket | undefined
  readonly cap: TokenBucket
}

/** Whose chunk goes next: turns by weight between classes, after their floors and within their caps. Pure: time is told. */
export class ClassScheduler {
  /** The most urgent first. */
  readonly #lanes: readonly Lane[]
  readonly #turns = new FairTurns<Lane>()

  constructor(shares: ClassShares, nowMs: number) {
    this.#lanes = TRAFFIC_CLASSES.map((name) => {
      const { weight, floorBytesPerSecond, capBytesPerSecond } = shares[name]
      return {
        name,
        weight,
        mostBytesPerSecond: capBytesPerSecond,
        floor: floorBytesPerSecond > 0 ? new TokenBucket(floorBytesPerSecond, nowMs) : undefined,
        cap: new TokenBucket(capBytesPerSecond, nowMs),
      }
    })
  }

  /** What all classes together may send; `Infinity` while one has no cap. */
  get capBytesPerSecond(): number {
    return this.#lanes.reduce((sum, { cap }) => sum + cap.bytesPerSecond, 0)
  }

  /** Caps for now, within those of the shares; a class that is left out, or whose cap is no number, has its own. */
  advise(caps: ReadonlyMap<TrafficClass, number>, nowMs: number): void {
    for (const { name, cap, mostBytesPerSecond } of this.#lanes) {
      const advised = caps.get(name) ?? Number.NaN
      const bytesPerSecond = Number.isNaN(advised) ? mostBytesPerSecond : Math.max(1, Math.min(advised, mostBytesPerSecond))
      if (bytesPerSecond !== cap.bytesPerSecond) cap.set(bytesPerSecond, nowMs)
    }
  }

  /** @returns undefined where none of those that wait may send now: see {@link ClassScheduler.waitMs}. */
  next(nowMs: number, isWaiting: (name: TrafficClass) => boolean): TrafficClass | undefined {
    const lanes = this.#lanes.filter(({ name, cap }) => cap.waitMs(nowMs) === 0 && isWaiting(name))
    return (lanes.find(({ floor }) => floor?.waitMs(nowMs) === 0) ?? this.#turns.next(lanes))?.name
  }

  /** What {@link ClassScheduler.next} named has sent, at the same time. */
  spend(name: TrafficClass, bytes: number, nowMs: number): void {
    const lane = this.#lanes.find((one) => one.name === name)
    if (!lane) return
    lane.cap.spend(bytes, nowMs)
    if (lane.floor?.waitMs(nowMs) === 0) return lane.floor.spend(bytes, nowMs)
    this.#turns.charge(lane, bytes, lane.weight)
  }

  /** Until one of those that wait may send; `Infinity` where none waits. */
  waitMs(nowMs: number, isWaiting: (name: TrafficClass) => boolean): number {
    const waits = this.#lanes.filter(({ name }) => isWaiting(name)).map(({ cap }) => cap.waitMs(nowMs))
    return Math.min(Number.POSITIVE_INFINITY, ...waits)
  }
}
