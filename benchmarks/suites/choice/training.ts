import { type CostFit, type CostModel, PAGE_FEATURES, PAGE_METHODS, termsOf } from '@dwcp/hde/choice'
import type { RegionCosts } from './cost-table.js'
import { solve } from './linear-equations.js'

const FIGURES = 3
/** Less is taken for nothing. */
const LEAST_LOG = -14
/** Of the squares of weights: the best of 15, 50 and 150 by cross-validation over groups. */
const RIDGE = 150
/** Below it a method has not been measured often enough. */
const LEAST_ROWS = 5
/** A feature that hardly ever varies is not blown up. */
const LEAST_DEVIATION = 1e-2
/** Features that say something of pages without an earlier version: those behind compare with it. */
const FEATURES_WITHOUT_OLD = 7

/** Ridge regression on what the first timing of each region says, for pages with and without an earlier version. */
export function trainModel(rows: readonly RegionCosts[]): Omit<CostModel, 'version' | 'machine'> {
  const all = [...PAGE_FEATURES.keys()]
  return {
    features: [...PAGE_FEATURES],
    methods: PAGE_METHODS.map(({ name }) => name),
    withoutOld: fitOf(
      rows.filter((row) => !row.hasOld),
      all.slice(0, FEATURES_WITHOUT_OLD),
    ),
    withOld: fitOf(
      rows.filter((row) => row.hasOld),
      all,
    ),
  }
}

function fitOf(rows: readonly RegionCosts[], uses: readonly number[]): CostFit {
  const columns = uses.map((feature) => rows.map(({ features }) => features[feature] ?? 0))
  const means = columns.map(mean)
  const scales = columns.map(
    (values, at) => 1 / (Math.sqrt(mean(values.map((value) => (value - (means[at] ?? 0)) ** 2))) + LEAST_DEVIATION),
  )
  const terms = rows.map(({ features }) => termsOf({ uses, means, scales }, features))
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
      return ridge(known, centres.length)
    }).flat(),
  )
  return { uses, means, scales, centres, methods, weights }
}

interface Sample {
  readonly value: number
  readonly weight: number
  readonly terms: readonly number[]
}

/** The mean, then a weight for each term. */
function ridge(samples: readonly Sample[], width: number): readonly number[] {
  const size = width + 1
  const matrix = new Float64Array(size * size)
  const right = new Float64Array(size)
  for (const { value, weight, terms } of samples) {
    const row = [1, ...terms]
    for (const [at, first] of row.entries()) {
      right[at] = (right[at] ?? 0) + weight * first * value
      for (const [other, second] of row.entries()) matrix[at * size + other] = (matrix[at * size + other] ?? 0) + weight * first * second
    }
  }
  for (let at = 1; at < size; at++) matrix[at * size + at] = (matrix[at * size + at] ?? 0) + RIDGE
  return [...solve(matrix, right)]
}

function figuresOf({ payloadBytes, allowed, first }: RegionCosts, method: number): readonly number[] | undefined {
  const cost = first[allowed.indexOf(method)]
  if (cost === undefined) return undefined
  const figures = [(cost.encodeMs * 1e6) / payloadBytes, cost.bytes / payloadBytes, (cost.decodeMs * 1e6) / payloadBytes]
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
