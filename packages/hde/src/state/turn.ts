import { DwcpError } from '@dwcp/interface'
import type { HdeErrorCode } from '../errors.js'

/** One call at a time, until one fails or `close`. After a failure both sides no longer agree on what was said. */
export class Turn {
  readonly #what: string
  #state: 'ready' | 'busy' | 'broken' | 'closed' = 'ready'
  #cause: unknown

  constructor(what: string) {
    this.#what = what
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#state !== 'ready') throw this.#refusal(this.#state === 'broken' ? { cause: this.#cause } : {})
    this.#state = 'busy'
    try {
      const result = await work()
      if (this.#state === 'busy') this.#state = 'ready'
      return result
    } catch (error) {
      // Closed meanwhile: its jobs were ended, and that is no failure of theirs.
      if (this.#isClosed()) throw this.#refusal({ cause: error })
      this.#state = 'broken'
      this.#cause = error
      throw error
    }
  }

  /** For a call that has waited: nothing may be opened once all was closed. */
  refuseClosed(): void {
    if (this.#isClosed()) throw this.#refusal({})
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #refusal(cause: { readonly cause?: unknown }): DwcpError<HdeErrorCode> {
    const text = `this ${this.#what} is ${this.#state}: ${this.#state === 'busy' ? 'await the call before' : 'make a new one'}`
    return new DwcpError('ERR_HDE_STATE', text, { ...cause, details: { state: this.#state } })
  }

  /** @returns whether every call had ended well: only then is what was learned worth keeping. */
  close(): boolean {
    const whole = this.#state === 'ready'
    this.#state = 'closed'
    return whole
  }
}
