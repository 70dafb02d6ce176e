import { HashChainVerifier, hashChain, kv, type WorkloadClient } from '../src/index.ts'

export type Program = 'hash-chain' | 'kv'

/** Asks a workload without a pause, one question after the other, and judges every answer. */
export interface Questioner {
  readonly answers: number
  /** Resolves with the answer to a question that was asked after this call; rejects when an answer was wrong or an error. */
  next(): Promise<void>
  /** Ends the question in flight as well. Rejects with what went wrong before. */
  stop(): Promise<void>
}

export function startQuestions(client: WorkloadClient, workload: string, program: Program): Questioner {
  const ask = program === 'kv' ? kvQuestions(client, workload) : chainQuestions(client, workload)
  const stopping = new AbortController()
  let answers = 0
  let waiting: { readonly fromAnswer: number; resolve(): void }[] = []
  const run = async (): Promise<void> => {
    for (;;) {
      await ask(stopping.signal)
      answers++
      for (const each of waiting) if (answers >= each.fromAnswer) each.resolve()
      waiting = waiting.filter((each) => answers < each.fromAnswer)
    }
  }
  const failure: Promise<{ readonly error: unknown } | undefined> = run().then(
    () => undefined,
    (error: unknown) => (stopping.signal.aborted ? undefined : { error }),
  )
  return {
    get answers() {
      return answers
    },
    // The question in flight was asked before, the one behind it was not.
    next: () => Promise.race([new Promise<void>((resolve) => waiting.push({ fromAnswer: answers + 2, resolve })), rejects(failure)]),
    async stop() {
      stopping.abort(new Error('no more questions'))
      const failed = await failure
      if (failed !== undefined) throw failed.error
    },
  }
}

async function rejects(failure: Promise<{ readonly error: unknown } | undefined>): Promise<void> {
  const failed = await failure
  throw failed?.error ?? new Error('the questions have stopped')
}

/** The chain never goes back, and is what it must be at each link. */
function chainQuestions(client: WorkloadClient, workload: string): (signal: AbortSignal) => Promise<void> {
  const verifier = new HashChainVerifier()
  let paced = false
  return async (signal) => {
    const { payload } = await client.request(workload, paced ? hashChain.status() : hashChain.pace(20_000), { signal })
    paced = true
    const status = hashChain.decode(payload)
    if (!verifier.verify(status)) throw new Error(`the chain of ${workload} is broken at link ${status.links}`)
  }
}

/**
 * A counter, raised only from the value that the last acknowledged raise left: a raise that was lost or done twice makes the
 * next one differ. And a key for each raise, so that the state grows and can be counted.
 */
function kvQuestions(client: WorkloadClient, workload: string): (signal: AbortSignal) => Promise<void> {
  let raised = 0
  let keys = 0
  const request = async (payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array> =>
    (await client.request(workload, payload, { signal })).payload
  const must = (reply: Uint8Array, what: string): void => {
    const { status, value } = kv.decode(reply)
    if (status !== 'done') throw new Error(`${what} of ${workload} was answered ${status} ${Buffer.from(value).toString()}`)
  }
  return async (signal) => {
    must(await request(kv.cas('counter', raised === 0 ? undefined : bytes(raised), bytes(raised + 1)), signal), `raise ${raised + 1}`)
    raised++
    // A new key that is there already was put twice.
    must(await request(kv.cas(`key ${keys}`, undefined, bytes(keys)), signal), `key ${keys}`)
    keys++
    const counted = kv.decodeCount(await request(kv.count(), signal))
    if (counted !== keys + 1) throw new Error(`${workload} holds ${counted} keys after ${keys} and the counter were put`)
  }
}

function bytes(value: number): Uint8Array {
  return new TextEncoder().encode(String(value))
}
