import { bytesOf, equalAfter, equalBefore, type Pair, type Stretch, similarAfter, similarBefore } from './delta-extend.js'
import { indexOf, isSeed, SEED_BYTES, wordsOf } from './delta-index.js'
import type { DeltaStreams } from './delta-streams.js'
import { VarintWriter } from './varint-writer.js'

// As native/delta_match.cc, in one pass with one index.
const MIN_MOVED_BYTES = 32
const SKIP_SHIFT = 8
const PATCH_BYTES = 4

/** As {@link deltaMatch}, on the calling thread. */
export function matchStreams(target: Uint8Array, base: Uint8Array, position: number): DeltaStreams {
  const pair = { target: bytesOf(target), base: bytesOf(base) }
  const script = new Script(pair)
  const find = indexOf(pair)
  const [targetWords, baseWords] = [wordsOf(target), wordsOf(base)]
  let [done, shift, misses] = [0, 0, 0]
  for (let at = 0; at + SEED_BYTES <= target.length; ) {
    const straight = position + at + shift
    const goesOn = straight >= 0 && straight + SEED_BYTES <= base.length && isSeed(targetWords, at, baseWords, straight)
    const source = goesOn ? straight : find(at)
    const found = source === undefined ? undefined : extended(pair, done, at, source)
    if (source === undefined || found === undefined || (found.exactBytes < MIN_MOVED_BYTES && source !== straight)) {
      at += 1 + (misses++ >> SKIP_SHIFT)
      continue
    }
    const begin = at - found.before
    script.copy(begin, source - found.before, found.before + found.after, source - at - position, found.similar)
    shift = source - at - position
    done = at + found.after
    at = done
    misses = 0
  }
  return script.end()
}

interface Extended {
  readonly before: number
  readonly after: number
  /** Around the seed. */
  readonly exactBytes: number
  readonly similar: readonly Stretch[]
}

function extended(pair: Pair, done: number, at: number, source: number): Extended {
  const { target, base } = pair
  const room = (bytes: number): number => Math.min(target.length - at, base.length - source) - bytes
  let before = equalBefore(pair, at, source, Math.min(at - done, source))
  let after = equalAfter(pair, at, source, room(0))
  const exactBytes = before + after
  const similar: Stretch[] = []
  const more = similarBefore(pair, at - before, source - before, Math.min(at - done, source) - before)
  before += more
  if (more > 0) similar.push({ at: at - before, length: more })
  // Bounded by the target: each turn takes at least one byte of it.
  for (let length = similarAfter(pair, at + after, source + after, room(after)); length > 0; ) {
    similar.push({ at: at + after, length })
    after += length
    after += equalAfter(pair, at + after, source + after, room(after))
    length = similarAfter(pair, at + after, source + after, room(after))
  }
  return { before, after, exactBytes, similar }
}

class Script {
  readonly #pair: Pair
  readonly #literalLengths = new VarintWriter()
  readonly #copyLengths = new VarintWriter()
  readonly #shifts = new VarintWriter()
  readonly #literals = new VarintWriter()
  readonly #patchGaps = new VarintWriter()
  readonly #patchValues = new VarintWriter()
  #done = 0
  #shift = 0
  #patched = 0

  constructor(pair: Pair) {
    this.#pair = pair
  }

  copy(at: number, source: number, length: number, shift: number, similar: readonly Stretch[]): void {
    this.#literal(at)
    this.#copyLengths.varint(length)
    this.#shifts.zigzag(shift - this.#shift)
    this.#shift = shift
    this.#done = at + length
    for (const stretch of similar) this.#patches(stretch, source - at, at + length)
  }

  end(): DeltaStreams {
    if (this.#done < this.#pair.target.length) this.#literal(this.#pair.target.length)
    return {
      literalLengths: this.#literalLengths.view(),
      copyLengths: this.#copyLengths.view(),
      shifts: this.#shifts.view(),
      literals: this.#literals.view(),
      patchGaps: this.#patchGaps.view(),
      patchValues: this.#patchValues.view(),
    }
  }

  #literal(end: number): void {
    this.#literalLengths.varint(end - this.#done)
    this.#literals.append(this.#pair.target.subarray(this.#done, end))
  }

  /** Differences as little-endian numbers: when code moves, its addresses change by the same amount wherever a carry falls. */
  #patches(stretch: Stretch, toSource: number, copyEnd: number): void {
    const { target, base } = this.#pair
    const end = stretch.at + stretch.length
    for (let at = Math.max(stretch.at, this.#patched); at < end; ) {
      const [now, old] = [target[at] ?? 0, base[at + toSource] ?? 0]
      if (now === old) {
        at += 1
        continue
      }
      this.#patchGaps.varint(at - this.#patched)
      const whole = at + PATCH_BYTES <= copyEnd
      if (whole) this.#patchValues.zigzag((target.readInt32LE(at) - base.readInt32LE(at + toSource)) | 0)
      else this.#patchValues.append(Uint8Array.of(now - old))
      at += whole ? PATCH_BYTES : 1
      this.#patched = at
    }
  }
}
