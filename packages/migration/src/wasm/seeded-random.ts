/** State of {@link SeededRandom}: four words of 32 bits, not all zero. */
export type RandomState = readonly [number, number, number, number]

/**
 * xoshiro128** 1.1 (https://prng.di.unimi.it/xoshiro128starstar.c): small state that moves with the workload. Not for secrets.
 */
export class SeededRandom {
  readonly #state: Uint32Array

  constructor(state: RandomState) {
    this.#state = Uint32Array.from(state)
  }

  /** @param seed - A safe integer of at least 0. */
  static seeded(seed: number): SeededRandom {
    let low = seed >>> 0
    const words: [number, number, number, number] = [0, 0, 0, 0]
    const high = Math.floor(seed / 2 ** 32)
    for (let i = 0; i < 4; i++) {
      // splitmix32, as the authors advise for filling the state.
      low = (low + 0x9e3779b9) >>> 0
      let word = low ^ (i % 2 === 1 ? Math.imul(high, 0x2c1b3c6d) : 0)
      word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
      word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
      words[i] = (word ^ (word >>> 16)) >>> 0
    }
    return new SeededRandom(words.every((word) => word === 0) ? [1, 0, 0, 0] : words)
  }

  uint32(): number {
    const state = this.#state
    const [a = 0, b = 0, c = 0, d = 0] = state
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    const c1 = c ^ a
    const d1 = d ^ b
    state[1] = b ^ c1
    state[0] = a ^ d1
    state[2] = c1 ^ t
    state[3] = rotate(d1, 11)
    return result
  }

  /** Uniform in [0, 1), 53 bits. */
  unit(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53
  }

  state(): RandomState {
    const [a = 0, b = 0, c = 0, d = 0] = this.#state
    return [a, b, c, d]
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
