import { setTimeout as delay } from 'node:timers/promises'
import { simulation } from '@dwcp/core'
import { SIMULATION_CHECK_PAGES, type SimulationOptions } from '@dwcp/migration'
import { answerParent } from '../../harness/process.js'
import { openCoreNode } from './core-node.js'
import type { MoveOrder, MoveReport, OnWorkload, OpenedNode, OpenNode, SuiteNode } from './node-messages.js'
import { openPlainNode } from './plain-node.js'

/** One node of the migration suite, in a process of its own. */
let node: SuiteNode | undefined

answerParent({
  async open({ id, host, style, directory }: OpenNode): Promise<OpenedNode> {
    node = style === 'stop-and-copy' ? await openPlainNode(id, host) : await openCoreNode(id, host, style, directory)
    return { address: node.address, door: node.door }
  },
  /** Resolves when the memory is full. */
  async run({ workload, options }: OnWorkload) {
    await opened().run(workload)
    await opened().request(workload, simulation.configure(options))
    while (simulation.decode(await opened().request(workload, simulation.status())).filled < options.pages) await delay(5)
  },
  move: ({ workload, to }: MoveOrder): Promise<MoveReport> => opened().move(workload, to),
  check: ({ workload, options }: OnWorkload) => check(opened(), workload, options),
  end: ({ workload }: { workload: string }) => opened().end(workload),
})

function opened(): SuiteNode {
  if (node === undefined) throw new TypeError('open first')
  return node
}

/** Every page, compared with what it must hold after as many writes as the program says it did. */
async function check(on: SuiteNode, workload: string, options: SimulationOptions): Promise<void> {
  for (let first = 0; first < options.pages; first += SIMULATION_CHECK_PAGES) {
    const count = Math.min(SIMULATION_CHECK_PAGES, options.pages - first)
    const { written, checksum } = simulation.decode(await on.request(workload, simulation.check(first, count)))
    const expected = simulation.expectedChecksum(options, first, count, written)
    if (checksum !== expected)
      throw new Error(`pages ${first} to ${first + count - 1} hold ${checksum} after ${written} writes, not ${expected}`)
  }
}
