import { corrupt } from '../errors.js'

/** Texts by the order in which they were first met, over those of a parent that stays as it is. */
export class Interned {
  readonly #parent: Interned | undefined
  readonly #indexes = new Map<string, number>()
  readonly #texts: string[] = []
  readonly #start: number

  constructor(parent?: Interned) {
    this.#parent = parent
    this.#start = parent?.size ?? 0
  }

  get size(): number {
    return this.#start + this.#texts.length
  }

  indexOf(text: string): number | undefined {
    return this.#parent?.indexOf(text) ?? this.#indexes.get(text)
  }

  at(index: number): string {
    const text = index < this.#start ? this.#parent?.at(index) : this.#texts[index - this.#start]
    if (text === undefined) throw corrupt('a text that was not said before')
    return text
  }

  add(text: string): void {
    this.#indexes.set(text, this.size)
    this.#texts.push(text)
  }
}
