import type { PeerChange } from '@dwcp/interface'

/** Pending changes for one reader of `peers()`: a slow reader costs at most one entry per peer and kind. */
export class PeerFeed {
  readonly #pending = new Map<string, PeerChange>()
  #wake: (() => void) | undefined
  #ended = false

  push(change: PeerChange): void {
    const key = `${change.kind} ${change.peer.nodeId}`
    this.#pending.delete(key)
    this.#pending.set(key, change)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *read(): AsyncGenerator<PeerChange, void, undefined> {
    // Until its end, at the pace of its reader.
    for (;;) {
      for (const [key, change] of this.#pending) {
        this.#pending.delete(key)
        yield change
      }
      if (this.#ended) return
      if (this.#pending.size === 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
