import { setTimeout as delay } from 'node:timers/promises'
import type { WorkloadClient } from '@dwcp/core'
import { isDwcpError } from '@dwcp/interface'
import type { Conversation, Proof } from './demo-options.js'
import type { Ask, Interlocutor } from './interlocutor.js'
import { Tally } from './tally.js'

/** Between an answer and the next question, so that three clients leave two cores something to migrate with. */
const PAUSE_MS = 1
const ANSWER_TIMEOUT_MS = 30_000

/** A client that talks to one workload without end, one request after the other. */
export interface DemoClient {
  /** Brings the workload into its first state, then begins to talk. */
  begin(onProgress: (done: number, of: number) => void): Promise<void>
  readonly answered: number
  /** Ends a stretch of the talk and begins the next. */
  turn(): Conversation
  /** Resolves when there were `answers` more, or after `maxMs`. */
  settle(answers: number, maxMs: number): Promise<void>
  verify(onProgress: (done: number, of: number) => void): Promise<Proof>
  /** Says the last word; resolves to the count of the whole talk. */
  end(): Promise<Tally>
}

/** @param gone - Ends the talk at once, in the middle of a request: nobody listens any more. */
export function createDemoClient(client: WorkloadClient, workload: string, interlocutor: Interlocutor, gone: AbortSignal): DemoClient {
  const stop = new AbortController()
  const whole = new Tally()
  let stretch = new Tally()
  let talk: Promise<void> = Promise.resolve()
  let lastMs: number | undefined
  let onAnswer = (): void => undefined
  const ask: Ask = async (payload) => (await client.request(workload, payload, { timeoutMs: ANSWER_TIMEOUT_MS, signal: gone })).payload

  const one = async (): Promise<void> => {
    try {
      const answer = await client.request(workload, interlocutor.next(), { timeoutMs: ANSWER_TIMEOUT_MS, signal: gone })
      const nowMs = performance.now()
      const gapMs = lastMs === undefined ? undefined : nowMs - lastMs
      lastMs = nowMs
      const judgement = interlocutor.judge(answer.payload)
      for (const tally of [whole, stretch]) {
        tally.answer(answer.ms, gapMs)
        tally.resent += answer.sends - 1
        if (judgement !== 'right') tally[judgement]++
      }
      onAnswer()
    } catch (error) {
      if (!isDwcpError(error, 'ERR_CORE_NO_ANSWER')) throw error
      for (const tally of [whole, stretch]) tally.lost++
    }
  }
  const talkOn = async (): Promise<void> => {
    while (!stop.signal.aborted && !gone.aborted) {
      await one()
      await delay(PAUSE_MS)
    }
  }

  return {
    async begin(onProgress) {
      await interlocutor.prepare(ask, onProgress)
      talk = talkOn()
      // Looked at in `end` and in `settle`.
      talk.catch(() => undefined)
    },
    get answered() {
      return whole.answered
    },
    turn() {
      const report = stretch.report()
      stretch = new Tally()
      return report
    },
    async settle(answers, maxMs) {
      const until = whole.answered + answers
      const enough = new Promise<void>((resolve) => {
        onAnswer = () => whole.answered >= until && resolve()
      })
      await Promise.race([enough, talk, delay(maxMs, undefined, { ref: false })])
    },
    verify: (onProgress) => interlocutor.verify(ask, onProgress),
    async end() {
      stop.abort()
      await talk
      return whole
    },
  }
}
