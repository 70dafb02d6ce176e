import { pastLimit } from '../errors.js'
import type { Interned } from './interned.js'
import type { Payload } from './payload.js'
import type { Coder, Odds } from './range-coder.js'

/** Odds that all columns share: how a column goes is guessed from how others went. */
export const SHARED = {
  uniform: 0,
  same: 4,
  kind: 24,
  decimals: 40,
  mode: 56,
} as const
export const SHARED_ODDS = 120

/** One batch on its way through the columns. */
export interface Session {
  readonly coder: Coder
  readonly payload: Payload
  readonly shared: Odds
  /** For integers that come once a column. */
  readonly once: Odds
  /** Every text of the batch, whatever its column. */
  readonly texts: Interned
  readonly budget: Budget
  /** The member whose text says which documents belong together. */
  readonly groupBy: string | undefined
}

/** Bounds what a few bits may ask for: every member, element and character is paid for before it is made. */
export class Budget {
  readonly #nodes: number
  readonly #documentBytes: number
  #nodesLeft: number
  #bytesLeft: number

  constructor(nodes: number, documentBytes: number) {
    this.#nodes = nodes
    this.#documentBytes = documentBytes
    this.#nodesLeft = nodes
    this.#bytesLeft = documentBytes
  }

  spendNodes(count: number): void {
    this.#nodesLeft -= count
    if (this.#nodesLeft < 0)
      throw pastLimit(
        'members and elements of a batch',
        this.#nodes - this.#nodesLeft,
        this.#nodes,
        'send fewer documents at once, or raise nodes',
      )
  }

  spendBytes(count: number): void {
    this.#bytesLeft -= count
    const asked = this.#documentBytes - this.#bytesLeft
    if (this.#bytesLeft < 0) throw pastLimit('the texts of a batch', asked, this.#documentBytes, 'raise documentBytes')
  }
}
