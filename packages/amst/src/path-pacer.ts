import type { Clock } from '@dwcp/interface'
import { PathChange } from './path-change.js'
import { PathRate } from './path-rate.js'
import type { Stream } from './stream.js'

export interface PathPacerEnvironment {
  readonly clock: Clock
  /** Those that carry objects. */
  readonly streams: () => readonly Stream[]
  readonly isSending: () => boolean
  /** The path is another one now than this stream and its like know, and fresh ones would do better. */
  readonly moved: (stream: Stream) => void
}

/** All streams are renewed in this time, well before BBR looks again for the least round-trip time, and each is left alone for the other. */
const RENEW_ALL_MS = 7000
const RENEW_LEAST_MS = 3000
/** By then fresh streams are there, or will not come. */
const MOVE_MS = 2000
/** Of near streams, which nothing is asked of but whether they are still near. */
const NEAR_TICK_MS = 50

/** Looks after the streams of one path that objects go out on, for as long as there are any. */
export class PathPacer {
  readonly #environment: PathPacerEnvironment
  readonly #change = new PathChange()
  #rate = new PathRate()
  #timer: Disposable | undefined
  #renewedMs = 0
  #movedMs = Number.NEGATIVE_INFINITY
  /** The last stream from before the path's change. */
  #former = 0

  constructor(environment: PathPacerEnvironment) {
    this.#environment = environment
  }

  /** The streams are of another kind now. */
  reset(): void {
    this.#rate = new PathRate()
  }

  begin(): void {
    if (this.#timer === undefined) this.#step()
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
  }

  #step(): void {
    const { clock, isSending, moved, streams } = this.#environment
    const timeMs = clock.monotonicMs()
    const all = streams()
    const wide = all.filter((stream) => stream.isWideArea)
    const samples = all.flatMap((stream) => stream.pathSample() ?? [])
    const [rttMs, minRttMs] = [least(samples.map((sample) => sample.rttMs)), least(samples.map((sample) => sample.minRttMs))]
    const [first] = all
    if (first && samples.length > 0 && this.#change.observe({ timeMs, rttMs, minRttMs })) {
      this.#rate = new PathRate()
      this.#movedMs = timeMs
      this.#former = Math.max(...samples.map(({ serial }) => serial))
      moved(first)
    }
    // What streams from before the change say of their round-trip times is of no use, and goes with them.
    const isOfUse = (stream: Stream): boolean => stream.serial > this.#former || timeMs > this.#movedMs + MOVE_MS
    const serials = new Set(wide.filter(isOfUse).map(({ serial }) => serial))
    const wasFree = this.#rate.isFree
    const parts = this.#rate.observe(
      timeMs,
      samples.filter(({ serial }) => serials.has(serial)),
    )
    for (const stream of wide) {
      const part = parts?.get(stream.serial)
      if (part !== undefined) stream.pace(part)
      // The path has more than they were held to: they begin anew, and double what they send each round until they find it.
      if (this.#rate.isFree && !wasFree) stream.renewCongestionControl()
    }
    this.#renew(wide, timeMs)
    this.#timer = first && isSending() ? clock.after(wide.length > 0 ? this.#rate.tickMs : NEAR_TICK_MS, () => this.#step()) : undefined
  }

  /** One after another, and only where the path has been seen empty: then looking for its round-trip time is of no use to anybody. */
  #renew(streams: readonly Stream[], timeMs: number): void {
    const [oldest] = streams.toSorted((a, b) => a.renewedMs - b.renewedMs)
    if (!oldest || timeMs < oldest.renewedMs + RENEW_LEAST_MS || timeMs < this.#renewedMs + RENEW_ALL_MS / streams.length) return
    if (!this.#rate.isClear) return
    oldest.renewCongestionControl()
    this.#renewedMs = timeMs
  }
}

const least = (values: readonly number[]): number => Math.min(...values)
