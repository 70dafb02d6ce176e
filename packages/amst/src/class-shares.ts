import { TRAFFIC_CLASSES, type TrafficClass } from '@dwcp/interface'

/** What one class of objects gets of a session that has more to send than may leave. */
export interface ClassShare {
  /** Of what the floors leave, in proportion to the weights of the other classes that wait. Above 0. */
  readonly weight: number
  /** Before any weight, in bytes per second. Where the floors are more than there is, the most urgent class goes first. 0: none. */
  readonly floorBytesPerSecond: number
  /** Never more, in bytes per second. `Infinity`: no cap. */
  readonly capBytesPerSecond: number
}

/** One for each class; what is left out is as in {@link DEFAULT_CLASSES}. */
export type ClassOptions = Partial<Readonly<Record<TrafficClass, Partial<ClassShare>>>>

/** One for each class. */
export type ClassShares = Readonly<Record<TrafficClass, ClassShare>>

const UNBOUND = { floorBytesPerSecond: 0, capBytesPerSecond: Number.POSITIVE_INFINITY } as const

/** The shares where none are given: twice as much for each step of urgency, and next to nothing for what may wait for an idle link. */
export const DEFAULT_CLASSES: ClassShares = {
  consensus: { weight: 64, ...UNBOUND },
  migration: { weight: 32, ...UNBOUND },
  sync: { weight: 16, ...UNBOUND },
  bulk: { weight: 8, ...UNBOUND },
  scavenger: { weight: 1, ...UNBOUND },
}

const KEYS: readonly string[] = Object.keys(DEFAULT_CLASSES.bulk)

/** @throws RangeError naming what is unknown or outside its range. */
export function resolveClasses(given: ClassOptions = {}): ClassShares {
  for (const [name, share] of Object.entries(given)) {
    if (!(name in DEFAULT_CLASSES)) throw new RangeError(`unknown class "${name}": known are ${TRAFFIC_CLASSES.join(', ')}`)
    for (const key of Object.keys(share))
      if (!KEYS.includes(key)) throw new RangeError(`unknown "${key}" of class ${name}: known are ${KEYS.join(', ')}`)
  }
  const shares = {
    consensus: { ...DEFAULT_CLASSES.consensus, ...given.consensus },
    migration: { ...DEFAULT_CLASSES.migration, ...given.migration },
    sync: { ...DEFAULT_CLASSES.sync, ...given.sync },
    bulk: { ...DEFAULT_CLASSES.bulk, ...given.bulk },
    scavenger: { ...DEFAULT_CLASSES.scavenger, ...given.scavenger },
  }
  for (const [name, { weight, floorBytesPerSecond: floor, capBytesPerSecond: cap }] of Object.entries(shares)) {
    if (!(weight > 0 && weight < 2 ** 20)) throw new RangeError(`the weight of class ${name} must be above 0 and below 2^20, not ${weight}`)
    if (!(floor >= 0 && floor <= cap && floor < Number.POSITIVE_INFINITY))
      throw new RangeError(`floorBytesPerSecond of class ${name} must be from 0 to its cap, not ${floor}`)
    checkRate(cap, `capBytesPerSecond of class ${name}`)
  }
  return shares
}

/** @throws RangeError */
export function checkRate(bytesPerSecond: number, name = 'rateBytesPerSecond'): number {
  if (bytesPerSecond >= 1) return bytesPerSecond
  throw new RangeError(`${name} must be at least 1, not ${bytesPerSecond}; Infinity: no limit`)
}
