import { type CostFit, type CostModel, OLD_PAGES_FEATURE, PAGE_FEATURES, PAGE_METHODS, placeOf, termsOf } from '@dwcp/hde/choice'
import type { RegionCosts } from './cost-table.js'
import { solve } from './linear-equations.js'

const FIGURES = 3
/** Less is taken for nothing. */
const LEAST_LOG = -14
/** Variance of what is left over: the best of 0.15, 0.5 and 1 by cross-validation over groups. */
const NOISE = 0.5
/** Variance of what features say by themselves, each: the best of 0.01, 0.03, 0.1 and 0.3 by cross-validation over groups. */
const LINEAR_VARIANCE = 0.03
/** Regions that the others are held against: 32 to 200 cross-validate alike. */
const LANDMARKS = 32
/** Keeps equations solvable where two landmarks are as good as one. */
const JITTER = 1e-4
/** Below it a method has not been measured often enough. */
const LEAST_ROWS = 5
/** A feature that hardly ever varies is not blown up. */
const LEAST_DEVIATION = 1e-2
/** Features that say something of pages without an earlier version: those behind compare with it. */
const FEATURES_WITHOUT_OLD = 7
/** Regions with fewer pages that have one, or with some, are left out: what is chosen by takes them apart. */
const MOSTLY_OLD = 0.8

/**
 * Kernel ridge regression on the lesser of both timings of each region, for pages with and without an earlier version. Where there is
 * an image, page deltas of those without are learned too: they build on what other pages hold.
 */
export function trainModel(rows: readonly RegionCosts[]): Omit<CostModel, 'version' | 'machine'> {
  const all = [...PAGE_FEATURES.keys()]
  const heldRatio = ({ features }: RegionCosts): number => features[OLD_PAGES_FEATURE] ?? 0
  return {
    features: [...PAGE_FEATURES],
    methods: PAGE_METHODS.map(({ name }) => name),
    withoutOld: fitOf(
      rows.filter((row) => heldRatio(row) === 0),
      all.slice(0, FEATURES_WITHOUT_OLD),
    ),
    withOld: fitOf(
      rows.filter((row) => heldRatio(row) >= MOSTLY_OLD),
      all.filter((feature) => feature !== OLD_PAGES_FEATURE),
    ),
  }
}

function fitOf(rows: readonly RegionCosts[], uses: readonly number[]): CostFit {
  const columns = uses.map((feature) => rows.map(({ features }) => features[feature] ?? 0))
  const means = columns.map(mean)
  const scales = columns.map(
    (values, at) => 1 / (Math.sqrt(mean(values.map((value) => (value - (means[at] ?? 0)) ** 2))) + LEAST_DEVIATION),
  )
  const places = rows.map(({ features }) => placeOf({ uses, means, scales }, features))
  const chosen = landmarksOf(places)
  const landmarks = chosen.flat()
  const penalty = penaltyOf(uses.length, chosen)
  const terms = places.map((place) => termsOf({ landmarks }, place))
  const centres = (terms[0] ?? []).map((_, at) => mean(terms.map((row) => row[at] ?? 0)))
  const centred = terms.map((row) => row.map((term, at) => term - (centres[at] ?? 0)))
  const often = groupSizes(rows)
  const methods = [...PAGE_METHODS.keys()].filter(
    (method) => method !== 0 && rows.filter(({ allowed }) => allowed.includes(method)).length >= LEAST_ROWS,
  )
  const weights = methods.flatMap((method) =>
    Array.from({ length: FIGURES }, (_, figure) => {
      const known = rows.flatMap((row, index) => {
        const value = figuresOf(row, method)?.[figure]
        // Each group weighs the same: a model that is good for the largest one only would be of no use elsewhere.
        const weight = rows.length / often.size / (often.get(row.group) ?? 1)
        return value === undefined ? [] : [{ value, weight, terms: centred[index] ?? [] }]
      })
      return ridge(known, penalty)
    }).flat(),
  )
  return { uses, means, scales, landmarks, centres, methods, weights }
}

/** The place nearest to the middle, then always the one farthest from all that were taken. */
function landmarksOf(places: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const squareTo = (one: readonly number[], other: readonly number[]): number =>
    one.reduce((sum, value, at) => sum + (value - (other[at] ?? 0)) ** 2, 0)
  const fromMiddle = places.map((place) => squareTo(place, []))
  const taken: (readonly number[])[] = []
  let next = places[fromMiddle.indexOf(Math.min(...fromMiddle))]
  const nearest = places.map(() => Number.POSITIVE_INFINITY)
  while (next !== undefined && taken.length < Math.min(LANDMARKS, places.length)) {
    taken.push(next)
    for (const [at, place] of places.entries()) nearest[at] = Math.min(nearest[at] ?? 0, squareTo(place, next))
    next = places[nearest.indexOf(Math.max(...nearest))]
  }
  return taken
}

/** Of the squares of weights: by it the linear part and the kernel's have the variances that a Gaussian process would give them. */
function penaltyOf(features: number, landmarks: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const width = features + landmarks.length
  const flat = landmarks.flat()
  return Array.from({ length: width }, (_, row) => {
    const near = row < features ? [] : termsOf({ landmarks: flat }, landmarks[row - features] ?? [])
    return Array.from({ length: width }, (_each, column) => {
      if (row < features) return row === column ? NOISE / LINEAR_VARIANCE : 0
      return column < features ? 0 : NOISE * ((near[column] ?? 0) + (row === column ? JITTER : 0))
    })
  })
}

interface Sample {
  readonly value: number
  readonly weight: number
  readonly terms: readonly number[]
}

/** The mean, then a weight for each term. */
function ridge(samples: readonly Sample[], penalty: readonly (readonly number[])[]): readonly number[] {
  const size = penalty.length + 1
  const matrix = new Float64Array(size * size)
  const right = new Float64Array(size)
  for (const { value, weight, terms } of samples) {
    const row = [1, ...terms]
    for (const [at, first] of row.entries()) {
      right[at] = (right[at] ?? 0) + weight * first * value
      for (const [other, second] of row.entries()) matrix[at * size + other] = (matrix[at * size + other] ?? 0) + weight * first * second
    }
  }
  for (const [row, values] of penalty.entries()) {
    for (const [column, value] of values.entries()) {
      const at = (row + 1) * size + column + 1
      matrix[at] = (matrix[at] ?? 0) + value
    }
  }
  return [...solve(matrix, right)]
}

function figuresOf({ payloadBytes, allowed, first, second }: RegionCosts, method: number): readonly number[] | undefined {
  const [cost, again] = [first[allowed.indexOf(method)], second[allowed.indexOf(method)]]
  if (cost === undefined || again === undefined) return undefined
  const [encodeMs, decodeMs] = [Math.min(cost.encodeMs, again.encodeMs), Math.min(cost.decodeMs, again.decodeMs)]
  const figures = [(encodeMs * 1e6) / payloadBytes, cost.bytes / payloadBytes, (decodeMs * 1e6) / payloadBytes]
  return figures.map((value) => Math.max(LEAST_LOG, Math.log2(value)))
}

function groupSizes(rows: readonly RegionCosts[]): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>()
  for (const { group } of rows) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  return sizes
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
