import { DwcpError } from '@dwcp/interface'
import type { HdeErrorCode } from './errors.js'

/** One call at a time, until one fails or `close`. After a failure both sides no longer agree on what was said. */
export class Turn {
  readonly #what: string
  #state: 'ready' | 'busy' | 'broken' | 'closed' = 'ready'
  #cause: unknown

  constructor(what: string) {
    this.#what = what
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#state !== 'ready') {
      const cause = this.#state === 'broken' ? { cause: this.#cause } : {}
      const text = `this ${this.#what} is ${this.#state}: ${this.#state === 'busy' ? 'await the call before' : 'make a new one'}`
      throw new DwcpError<HdeErrorCode>('ERR_HDE_STATE', text, { ...cause, details: { state: this.#state } })
    }
    this.#state = 'busy'
    try {
      const result = await work()
      if (this.#state === 'busy') this.#state = 'ready'
      return result
    } catch (error) {
      if (this.#state === 'busy') this.#state = 'broken'
      this.#cause = error
      throw error
    }
  }

  /** @returns whether every call had ended well: only then is what was learned worth keeping. */
  close(): boolean {
    const whole = this.#state === 'ready'
    this.#state = 'closed'
    return whole
  }
}
