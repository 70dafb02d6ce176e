import { setTimeout as delay } from 'node:timers/promises'
import { connectClient, formatAddress, simulation } from '@dwcp/core'
import type { Address } from '@dwcp/interface'
import { answerParent } from '../../harness/process.js'
import { connectDoors } from './door.js'
import type { MoveStyle } from './node-messages.js'

export interface ClientConnect {
  readonly style: MoveStyle
  readonly doors: readonly Address[]
}

/** What a client outside saw while it asked one thing after the other. That an answer ever went back in time is an error. */
export interface ClientReport {
  readonly answers: number
  /** Longest time between two answers. */
  readonly silenceMs: number
  /** Median time between two answers: what the longest is to be held against. */
  readonly usualMs: number
}

type Ask = (workload: string, payload: Uint8Array) => Promise<Uint8Array>

/** Answers before the move begins: they show what is usual. */
const ANSWERS_BEFORE = 20
/** Between an answer and the next question. */
const PAUSE_MS = 1

let ask: Ask | undefined
let watching: { readonly stop: AbortController; readonly done: Promise<ClientReport> } | undefined

answerParent({
  async connect({ style, doors }: ClientConnect) {
    ask = style === 'stop-and-copy' ? await connectDoors(doors) : await coreClient(doors)
  },
  /** Resolves when the first answers have come. */
  async watch({ workload }: { workload: string }) {
    const stop = new AbortController()
    await new Promise<void>((resolve, reject) => {
      watching = { stop, done: watch(workload, stop.signal, resolve) }
      watching.done.catch(reject)
    })
  },
  async report() {
    if (watching === undefined) throw new TypeError('watch first')
    watching.stop.abort()
    return watching.done
  },
})

async function coreClient(doors: readonly Address[]): Promise<Ask> {
  const client = await connectClient({ nodes: doors.map(formatAddress), plaintext: 'trusted-network' })
  return async (workload, payload) => (await client.request(workload, payload)).payload
}

async function watch(workload: string, stop: AbortSignal, onReady: () => void): Promise<ClientReport> {
  if (ask === undefined) throw new TypeError('connect first')
  const gapsMs: number[] = []
  let lastMs = performance.now()
  let before = 0
  while (!stop.aborted) {
    const { written } = simulation.decode(await ask(workload, simulation.status()))
    if (written < before) throw new Error(`the workload went back from ${before} pages written to ${written}`)
    before = written
    const nowMs = performance.now()
    gapsMs.push(nowMs - lastMs)
    if (gapsMs.length === ANSWERS_BEFORE) onReady()
    lastMs = nowMs
    await delay(PAUSE_MS)
  }
  // The first one holds the search for the node.
  gapsMs.shift()
  gapsMs.sort((a, b) => a - b)
  return { answers: gapsMs.length, silenceMs: gapsMs.at(-1) ?? 0, usualMs: gapsMs[Math.floor(gapsMs.length / 2)] ?? 0 }
}
