/**
 * Turns by weight: start-time fair queueing (Goyal, Vin, Cheng, 1996). Two that both wait all the time never differ, in cost by weight, by
 * more than a piece of each by its weight. It needs no length before a piece is taken, and who did not wait gains nothing from that.
 */
export class FairTurns<K> {
  #virtual = 0
  /** In virtual time: when what each has taken is over. */
  readonly #finish = new Map<K, number>()

  /** Of those that wait, the one whose turn it is: the first of equals. */
  next(waiting: Iterable<K>): K | undefined {
    let first: K | undefined
    for (const one of waiting) if (first === undefined || this.#start(one) < this.#start(first)) first = one
    return first
  }

  charge(one: K, cost: number, weight: number): void {
    this.#virtual = this.#start(one)
    this.#finish.set(one, this.#virtual + cost / weight)
  }

  forget(one: K): void {
    this.#finish.delete(one)
  }

  #start(one: K): number {
    return Math.max(this.#finish.get(one) ?? 0, this.#virtual)
  }
}
