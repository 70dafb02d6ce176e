/** A seeded generator (mulberry32), so that a run that failed can be had again. */
export interface Chance {
  readonly seed: number
  /** 0 ≤ x < 1. */
  fraction(): number
  pick<T>(values: readonly T[]): T
  /** Endless: each value comes once before one comes twice. */
  deck<T>(values: readonly T[]): () => T
}

/** From the environment (DWCP_SEED), or a new one. */
export function openChance(): Chance {
  const given = process.env['DWCP_SEED']
  const seed = given === undefined ? (crypto.getRandomValues(new Uint32Array(1))[0] ?? 1) : Number(given) >>> 0
  let state = seed
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const pick = <T>(values: readonly T[]): T => {
    const value = values[Math.floor(fraction() * values.length)]
    if (value === undefined) throw new RangeError('nothing to pick from')
    return value
  }
  return {
    seed,
    fraction,
    pick,
    deck<T>(values: readonly T[]) {
      let left: T[] = []
      return () => {
        if (left.length === 0) left = [...values]
        const value = pick(left)
        left.splice(left.indexOf(value), 1)
        return value
      }
    },
  }
}
