import type { DeltaLevel } from './levels.js'

/**
 * What a level was chosen by, for one block.
 *
 * @public
 */
export interface LevelChoice {
  readonly level: DeltaLevel
  /** What the link was said to carry; undefined where that is not known, which leaves the level as it is. */
  readonly bytesPerSecond?: number
  /** Predicted, of the level chosen. */
  readonly encodeMs?: number
  readonly sendMs?: number
}

interface Cost {
  readonly nanosecondsPerByte: number
  /** Against 'balanced'. */
  readonly wireShare: number
}

/** Of four pairs of releases and one of disk images, on the machine of docs/encoding.md; what is measured here corrects them. */
const COSTS: Readonly<Record<DeltaLevel, Cost>> = {
  fast: { nanosecondsPerByte: 3, wireShare: 1.08 },
  balanced: { nanosecondsPerByte: 4, wireShare: 1 },
  small: { nanosecondsPerByte: 25, wireShare: 0.8 },
}
const LEVEL_NAMES = ['fast', 'balanced', 'small'] as const
/** Of an object of which nothing is known: what a new version took of its length. */
const WIRE_BYTES_PER_BYTE = 0.05
/** How far one block moves what is predicted of the next. */
const WEIGHT = 0.5

/**
 * The level by which a block is over soonest where encoding one and sending the one before overlap: the slower of both counts. It
 * follows what blocks took, waiting for a busy processor included.
 */
export class LiveLevel {
  #timeFactor = 1
  #wireBytesPerByte = WIRE_BYTES_PER_BYTE

  choose(blockBytes: number, bytesPerSecond: number): LevelChoice {
    const choices = LEVEL_NAMES.map((level): Required<LevelChoice> => {
      const { nanosecondsPerByte, wireShare } = COSTS[level]
      return {
        level,
        bytesPerSecond,
        encodeMs: (blockBytes * nanosecondsPerByte * this.#timeFactor) / 1e6,
        sendMs: (blockBytes * this.#wireBytesPerByte * wireShare * 1000) / bytesPerSecond,
      }
    })
    const endMs = ({ encodeMs, sendMs }: Required<LevelChoice>): number => Math.max(encodeMs, sendMs)
    return choices.reduce((best, next) => (endMs(next) < endMs(best) ? next : best))
  }

  measured(level: DeltaLevel, blockBytes: number, wireBytes: number, encodeMs: number): void {
    const { nanosecondsPerByte, wireShare } = COSTS[level]
    const factor = (encodeMs * 1e6) / (blockBytes * nanosecondsPerByte)
    this.#timeFactor *= (factor / this.#timeFactor) ** WEIGHT
    const share = Math.max(wireBytes, 1) / blockBytes / wireShare
    this.#wireBytesPerByte *= (share / this.#wireBytesPerByte) ** WEIGHT
  }
}
