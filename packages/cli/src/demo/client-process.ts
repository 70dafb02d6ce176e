import type { Readable, Writable } from 'node:stream'
import { connectClient, type WorkloadClient } from '@dwcp/core'
import { type ControlArguments, type ControlHandler, serveControl } from '../control/serve.js'
import { cliError } from '../errors.js'
import type { BundledProgram } from '../program-source.js'
import { createChainInterlocutor } from './chain-interlocutor.js'
import { createDemoClient, type DemoClient } from './demo-client.js'
import type { Interlocutor } from './interlocutor.js'
import { createLedgerInterlocutor } from './ledger-interlocutor.js'
import { createMemoryInterlocutor, type MemoryShape } from './memory-interlocutor.js'
import { Tally } from './tally.js'

/** What the demo tells its client about one workload. */
export interface ClientOrder {
  readonly id: string
  readonly program: BundledProgram
  readonly memory: MemoryShape
  readonly ledgerBytes: number
}

/** How often a watcher hears how many answers there were. */
const WATCH_MS = 100

/**
 * The demo's client in a process of its own: what it measures is then not disturbed by the nodes or the display. Obeys the
 * demo over these streams, and ends when the demo does.
 */
export async function runClientProcess(stream: { readonly input: Readable; readonly output: Writable }): Promise<void> {
  const clients = new Map<string, DemoClient>()
  const connections: WorkloadClient[] = []
  const gone = new AbortController()
  const found = ({ workload }: ControlArguments): DemoClient => {
    const client = typeof workload === 'string' ? clients.get(workload) : undefined
    if (client === undefined) throw cliError('ERR_CLI_CONTROL', `the client does not talk to ${String(workload)}`)
    return client
  }
  const handlers: Readonly<Record<string, ControlHandler>> = {
    async begin(args, { emit }) {
      const { nodes, plaintext, order } = args
      if (!isNodes(nodes) || !isOrder(order) || (plaintext !== true && plaintext !== 'trusted-network')) {
        throw cliError('ERR_CLI_CONTROL', 'begin takes { nodes, plaintext, order }')
      }
      // One request at a time for each workload, so each has a connection of its own.
      const connection = await connectClient({ nodes, plaintext })
      connections.push(connection)
      const client = createDemoClient(connection, order.id, interlocutorFor(order), gone.signal)
      clients.set(order.id, client)
      await client.begin(throttled(emit))
    },
    watch: (_args, { emit, signal }) =>
      new Promise<void>((resolve) => {
        const timer = setInterval(
          () => emit({ answered: [...clients.values()].reduce((sum, { answered }) => sum + answered, 0) }),
          WATCH_MS,
        )
        signal.addEventListener(
          'abort',
          () => {
            clearInterval(timer)
            resolve()
          },
          { once: true },
        )
      }),
    async settle(args) {
      const { answers, maxMs } = args
      await found(args).settle(Number(answers), Number(maxMs))
    },
    turn: async (args) => found(args).turn(),
    verify: (args, { emit }) => found(args).verify(throttled(emit)),
    end: async () => Tally.together(await Promise.all([...clients.values()].map((client) => client.end()))),
  }
  await serveControl(stream, handlers)
  gone.abort(cliError('ERR_CLI_INTERRUPTED', 'the demo has ended'))
  for (const connection of connections) await connection.close()
}

function interlocutorFor({ program, memory, ledgerBytes }: ClientOrder): Interlocutor {
  if (program === 'hash-chain') return createChainInterlocutor()
  return program === 'kv' ? createLedgerInterlocutor(ledgerBytes) : createMemoryInterlocutor(memory)
}

function throttled(emit: (event: object) => void): (done: number, of: number) => void {
  let lastMs = 0
  return (done, of) => {
    const nowMs = performance.now()
    if (nowMs - lastMs < WATCH_MS && done < of) return
    lastMs = nowMs
    emit({ done, of })
  }
}

function isNodes(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isOrder(value: unknown): value is ClientOrder {
  return typeof value === 'object' && value !== null && 'id' in value && 'program' in value && 'memory' in value && 'ledgerBytes' in value
}
