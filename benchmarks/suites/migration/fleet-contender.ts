import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SimulationOptions } from '@dwcp/migration'
import { type Peer, startPeer } from '../../harness/process.js'
import type { Contender, Measurement } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'
import type { ClientConnect, ClientReport } from './client-process.js'
import type { MoveOrder, MoveReport, MoveStyle, OnWorkload, OpenedNode, OpenNode } from './node-messages.js'

const NODE = new URL('./node-process.js', import.meta.url)
const CLIENT = new URL('./client-process.js', import.meta.url)
const LOOPBACK = '127.0.0.1'

export interface FleetSettings {
  readonly name: string
  readonly ours: boolean
  readonly style: MoveStyle
  readonly options: SimulationOptions
  /** Node A and the client on one side, node B on the other; on loopback where there is none. */
  readonly lab?: WanLab
}

/** Two nodes and a client, each a process; every run moves a new workload from A to B, so that nothing is known there already. */
export async function fleetContender(settings: FleetSettings, stack: AsyncDisposable[]): Promise<Contender> {
  const { name, ours, style, options, lab } = settings
  const start = (file: URL, side: 'a' | 'b'): Peer => {
    const peer = lab === undefined ? startPeer(file) : startPeer(file, (command) => lab.command(side, command))
    stack.push(peer)
    return peer
  }
  const host = (side: 'a' | 'b'): string => lab?.address(side) ?? LOOPBACK
  const directory = await mkdtemp(join(tmpdir(), 'dwcp-bench-'))
  const nodes = { a: start(NODE, 'a'), b: start(NODE, 'b') }
  const client = start(CLIENT, 'a')
  // Closed in the reverse order: the nodes are gone when their files go.
  stack.unshift({ [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) })
  const a = await nodes.a.ask<OpenedNode>({ method: 'open', argument: { id: 'a', host: host('a'), style, directory } satisfies OpenNode })
  const b = await nodes.b.ask<OpenedNode>({ method: 'open', argument: { id: 'b', host: host('b'), style, directory } satisfies OpenNode })
  await client.ask({ method: 'connect', argument: { style, doors: [a.door, b.door] } satisfies ClientConnect })
  let runs = 0
  const run = async (): Promise<Measurement> => {
    const workload = `simulation-${++runs}`
    await nodes.a.ask({ method: 'run', argument: { workload, options } satisfies OnWorkload })
    await client.ask({ method: 'watch', argument: { workload } })
    const moved = await nodes.a.ask<MoveReport>({ method: 'move', argument: { workload, to: b.address } satisfies MoveOrder })
    const seen = await client.ask<ClientReport>({ method: 'report' })
    await nodes.b.ask({ method: 'check', argument: { workload, options } satisfies OnWorkload })
    await nodes.b.ask({ method: 'end', argument: { workload } })
    return {
      downtime: seen.silenceMs,
      'usual gap': seen.usualMs,
      total: moved.totalMs,
      'raw bytes': moved.rawBytes,
      'wire bytes': moved.wireBytes,
      rounds: moved.rounds,
    }
  }
  return { name, ours, run }
}
