/**
 * What packing a region by one method takes: the two stages that work, and what stands between them.
 *
 * @public
 */
export interface Cost {
  readonly encodeMs: number
  readonly bytes: number
  readonly decodeMs: number
}

/**
 * Linear in features and in their products: for each method the binary logarithms of encode ns a byte, of bytes out for a byte in, and
 * of decode ns a byte.
 *
 * @public
 */
export interface CostFit {
  /** Indexes of the features that it takes. */
  readonly uses: readonly number[]
  /** What each of these is reduced by, then multiplied by. */
  readonly means: readonly number[]
  readonly scales: readonly number[]
  /** Means of all terms: features, then products. */
  readonly centres: readonly number[]
  /** Indexes of the methods that it predicts. */
  readonly methods: readonly number[]
  /** For each method and figure its mean, then a weight for each term. */
  readonly weights: readonly number[]
}

/**
 * Written by `pnpm train:choice`.
 *
 * @public
 */
export interface CostModel {
  /** Of the weights; a new training makes a new one. */
  readonly version: string
  /** Where the times were measured. */
  readonly machine: string
  readonly features: readonly string[]
  readonly methods: readonly string[]
  /** For pages of which the other side has nothing, and for others. */
  readonly withoutOld: CostFit
  readonly withOld: CostFit
}

const FIGURES = 3
/** A region that the training has never seen the like of is not taken further than this. */
const FEATURE_MOST = 3
const LOG_MOST = 14

/**
 * What each method of the fit costs on the machine of the training, on one idle core; about ten microseconds.
 *
 * @param features - Or nothing, for what regions cost on average.
 * @returns by index of the method; those that the fit does not know are left out.
 * @public
 */
export function predictCosts(fit: CostFit, features: ArrayLike<number> | undefined, payloadBytes: number): ReadonlyMap<number, Cost> {
  const terms = features === undefined ? [] : termsOf(fit, features)
  const stride = fit.centres.length + 1
  const figure = (index: number): number => {
    let sum = fit.weights[index * stride] ?? 0
    for (const [at, term] of terms.entries()) sum += (fit.weights[index * stride + 1 + at] ?? 0) * (term - (fit.centres[at] ?? 0))
    return 2 ** Math.max(-LOG_MOST, Math.min(LOG_MOST, sum)) * payloadBytes
  }
  return new Map(
    fit.methods.map((method, index) => {
      const [encodeNs, bytes, decodeNs] = [figure(index * FIGURES), figure(index * FIGURES + 1), figure(index * FIGURES + 2)]
      return [method, { encodeMs: encodeNs / 1e6, bytes, decodeMs: decodeNs / 1e6 }]
    }),
  )
}

/**
 * The features that a fit takes, normalised and bounded, then all products of two.
 *
 * @public
 */
export function termsOf(
  { uses, means, scales }: Pick<CostFit, 'uses' | 'means' | 'scales'>,
  features: ArrayLike<number>,
): readonly number[] {
  const terms = uses.map((feature, at) => {
    const value = ((features[feature] ?? 0) - (means[at] ?? 0)) * (scales[at] ?? 0)
    return Math.max(-FEATURE_MOST, Math.min(FEATURE_MOST, value))
  })
  for (let first = 0; first < uses.length; first += 1) {
    for (let second = first; second < uses.length; second += 1) terms.push((terms[first] ?? 0) * (terms[second] ?? 0))
  }
  return terms
}
