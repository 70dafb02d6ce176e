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
 * Linear in features and in how near they are to those of some regions of the training (a kernel method with landmarks: Williams and
 * Seeger, 2000): for each method the binary logarithms of encode ns a byte, of bytes out for a byte in, and of decode ns a byte.
 *
 * @public
 */
export interface CostFit {
  /** Indexes of the features that it takes. */
  readonly uses: readonly number[]
  /** What each of these is reduced by, then multiplied by. */
  readonly means: readonly number[]
  readonly scales: readonly number[]
  /** Normalised features of the landmarks, one after the other. */
  readonly landmarks: readonly number[]
  /** Means of all terms: features, then how near each landmark is. */
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
  /** For pages that the other side has no earlier version of, and for others. */
  readonly withoutOld: CostFit
  readonly withOld: CostFit
}

const FIGURES = 3
/** A region that the training has never seen the like of is not taken further than this. */
const FEATURE_MOST = 3
const LOG_MOST = 14
/** In standard deviations: the best of 2, 3 and 5 by cross-validation over groups. */
const KERNEL_WIDTH = 3

/**
 * What each method of the fit costs on the machine of the training, on one idle core; about ten microseconds.
 *
 * @param place - Of {@link placeOf}, or nothing, for what regions cost on average.
 * @returns by index of the method; those that the fit does not know are left out.
 * @public
 */
export function predictCosts(fit: CostFit, place: readonly number[] | undefined, payloadBytes: number): ReadonlyMap<number, Cost> {
  const terms = place === undefined ? [] : termsOf(fit, place).map((term, at) => term - (fit.centres[at] ?? 0))
  const stride = fit.centres.length + 1
  const figure = (index: number): number => {
    let sum = fit.weights[index * stride] ?? 0
    for (let at = 0; at < terms.length; at += 1) sum += (fit.weights[index * stride + 1 + at] ?? 0) * (terms[at] ?? 0)
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
 * The features that a fit takes, normalised and bounded: where a region lies among others.
 *
 * @param features - Or nothing, for the middle of all.
 * @public
 */
export function placeOf(
  { uses, means, scales }: Pick<CostFit, 'uses' | 'means' | 'scales'>,
  features: ArrayLike<number> | undefined,
): readonly number[] {
  return uses.map((feature, at) => {
    const value = features === undefined ? 0 : ((features[feature] ?? 0) - (means[at] ?? 0)) * (scales[at] ?? 0)
    return Math.max(-FEATURE_MOST, Math.min(FEATURE_MOST, value))
  })
}

/**
 * What a fit is linear in, for a region at this place.
 *
 * @public
 */
export function termsOf({ landmarks }: Pick<CostFit, 'landmarks'>, place: readonly number[]): readonly number[] {
  const terms = [...place]
  for (let first = 0; first < landmarks.length; first += place.length) {
    const square = place.reduce((sum, value, at) => sum + (value - (landmarks[first + at] ?? 0)) ** 2, 0)
    terms.push(Math.exp(-square / (2 * KERNEL_WIDTH ** 2)))
  }
  return terms
}
