import { integerOdds } from './integers.js'
import { Interned } from './interned.js'
import { Place } from './place.js'
import type { Odds } from './range-coder.js'
import { SHARED_ODDS } from './session.js'

/** What columns have learned: nothing, or what a dictionary taught. */
export class Model {
  readonly shared: Odds
  readonly once: Odds
  readonly texts: Interned
  readonly root: Place

  /** @param taught - Is not changed by what the new one learns. */
  constructor(taught?: Model) {
    this.shared = taught === undefined ? new Uint32Array(SHARED_ODDS) : taught.shared.slice()
    this.once = taught === undefined ? integerOdds() : taught.once.slice()
    this.texts = new Interned(taught?.texts)
    this.root = new Place(taught?.root)
  }
}
