import type { BuiltPair, Pair } from '../../corpora/pairs.js'
import type { Case } from '../../harness/suite.js'

/** A case that is measured on pairs, known by its name before the pair is built. */
export interface PairCase {
  nameOf(pair: Pick<Pair, 'name'>): string
  make(pair: Pair, built: BuiltPair): Case
}
