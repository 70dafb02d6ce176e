/**
 * A controller that also aborts when one of `signals` does, until it is disposed. `AbortSignal.any` would leave a weak
 * reference in each of them for as long as they live, and some live as long as the node.
 */
export class LinkedAbort extends AbortController implements Disposable {
  readonly #signals: readonly AbortSignal[]
  readonly #follow = (): void => this.abort(this.#signals.find((signal) => signal.aborted)?.reason)

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    super()
    this.#signals = signals.filter((signal) => signal !== undefined)
    for (const signal of this.#signals) {
      if (signal.aborted) this.#follow()
      signal.addEventListener('abort', this.#follow)
    }
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#follow)
  }
}
