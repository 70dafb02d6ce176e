/** The value below which `quantile` of the values lie, by the nearest rank; of an even number, the median is the mean of the middle two. */
export function quantileOf(values: readonly number[], quantile: number): number {
  if (values.length === 0) throw new RangeError('no values: a quantile needs at least one')
  if (!(quantile >= 0 && quantile <= 1)) throw new RangeError(`quantile is ${quantile}: 0 to 1`)
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, index))] ?? Number.NaN
  if (quantile === 0.5 && sorted.length % 2 === 0) return (at(sorted.length / 2 - 1) + at(sorted.length / 2)) / 2
  return at(Math.ceil(quantile * sorted.length) - 1)
}

/** What all runs of one contender gave for one metric. */
export interface Spread {
  readonly value: number
  readonly min: number
  readonly max: number
  readonly runs: number
}

export function spreadOf(values: readonly number[], quantile = 0.5): Spread {
  return { value: quantileOf(values, quantile), min: quantileOf(values, 0), max: quantileOf(values, 1), runs: values.length }
}
