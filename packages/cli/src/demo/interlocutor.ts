import type { Proof } from './demo-options.js'

/** One request and what came back. */
export type Ask = (payload: Uint8Array) => Promise<Uint8Array>

/** What an answer says: as expected; an effect done twice or a state gone back; or a contradiction. */
export type Judgement = 'right' | 'repeated' | 'wrong'

/** How a client talks to one kind of workload, and how it knows that what it hears is right. */
export interface Interlocutor {
  /** Brings the workload into its first state. */
  prepare(ask: Ask, onProgress: (done: number, of: number) => void): Promise<void>
  next(): Uint8Array
  /** Answers come in the order of the requests. */
  judge(reply: Uint8Array): Judgement
  /** Checks all of the workload's state, while it runs on. */
  verify(ask: Ask, onProgress: (done: number, of: number) => void): Promise<Proof>
}
