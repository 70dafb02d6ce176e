import type { ObjectProgress, ObjectReceipt } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import type { Credit, Ending, HaveRange } from './body.js'
import type { Frame } from './frame.js'
import type { OutgoingEvents, Window } from './outflow.js'
import type { Stream } from './stream.js'

/** An object on its way out, whatever its source. */
export interface Outgoing {
  readonly id: number
  /** Rejects with what broke the source, or the reason it was failed with. */
  readonly receipt: Promise<ObjectReceipt>
  readonly resentBytes: number
  /** A chunk waits for a stream. */
  readonly isReady: boolean
  /** Not yet acknowledged, as far as it is known. */
  readonly backlogBytes: number
  /** Reads the source. Never rejects: what breaks it settles the receipt. */
  run(): Promise<void>
  /** The next chunk that waits for a stream. */
  take(stream: Stream): Frame | undefined
  /** What was written to a stream that is dead waits for another one. */
  requeue(stream: Stream): void
  /** The receiver found the chunk damaged. */
  again(sequence: number): void
  credit(credit: Credit): void
  /** The receiver has these already, it says. */
  have(ranges: readonly HaveRange[]): void
  /** The receiving application has it all. */
  done(): void
  /** Gives it up; the source is told, what waits is dropped. */
  fail(reason: unknown): void
}

export interface OutgoingEnvironment {
  readonly hash: Hash
  readonly chunkBytes: number
  readonly window: Window
  readonly events: OutgoingEvents
  readonly onProgress: ((progress: ObjectProgress) => void) | undefined
}

/** What an object comes to. */
export class Receipt {
  readonly promise: Promise<ObjectReceipt>
  #resolve: (receipt: ObjectReceipt) => void = () => undefined
  #reject: (reason: unknown) => void = () => undefined

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  give({ lengthBytes, digest }: Ending, algorithm: 'xxh3-128' | 'blocks-xxh3-128'): void {
    this.#resolve({ lengthBytes, digest: `${algorithm}:${Buffer.from(digest).toString('hex')}` })
  }

  refuse(reason: unknown): void {
    this.#reject(reason)
  }
}
