import type { SimulationOptions } from '@dwcp/migration'
import type { Case, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { labObstacle } from '../wanlab/host.js'
import { openWanLab } from '../wanlab/lab.js'
import type { WanSettings } from '../wanlab/settings.js'
import { fleetContender } from './migration/fleet-contender.js'
import { rejectLate } from './wan/late.js'

const PAGE_BYTES = 4096
const MIB = 2 ** 20
const SEED = 3
const DIRTY_BYTES_PER_SECOND = 20 * MIB
const FULL_BYTES = 256 * MIB
const SHORT_BYTES = 32 * MIB

/** Dirtying follows the clock, so that not even bytes are the same in two runs. */
const METRICS: readonly Metric[] = [
  { name: 'downtime', unit: 'ms', better: 'lower', exact: false, quantile: 0.5 },
  { name: 'downtime', unit: 'ms', better: 'lower', exact: false, quantile: 0.99 },
  { name: 'usual gap', unit: 'ms', better: 'lower', exact: false },
  { name: 'total', unit: 'ms', better: 'lower', exact: false },
  { name: 'raw bytes', unit: 'B', better: 'lower', exact: false },
  { name: 'wire bytes', unit: 'B', better: 'lower', exact: false },
  { name: 'rounds', unit: '1', better: 'lower', exact: false },
]

const LINK = { rttMs: 40, rateBitsPerSecond: 500e6, queueMs: 50, lossRatio: 0 } as const satisfies WanSettings

export const suite: Suite = {
  name: 'migration',
  purpose: 'A running program moved between two processes, plaintext: ours beside v1 behaviour and a plain stop-and-copy.',
  tools: [],
  cases: async (context) => [migrationCase('loopback', 10), ...(await wanCases(context))],
}

async function wanCases(context: SuiteContext): Promise<readonly Case[]> {
  const obstacle = await labObstacle()
  // In CI a lab that cannot start fails the run, when the case opens it.
  if (obstacle === undefined || process.env['CI'] === 'true') return [migrationCase('500 Mbit/s, 40 ms', 5, LINK)]
  context.note(`without the WAN lab: ${obstacle.message}`)
  return []
}

function migrationCase(name: string, runs: number, link?: WanSettings): Case {
  return {
    name,
    metrics: METRICS,
    runs,
    async open(context): Promise<OpenCase> {
      const bytes = context.short ? SHORT_BYTES : FULL_BYTES
      const options = optionsFor(bytes)
      const stack: AsyncDisposable[] = []
      const lab = link === undefined ? undefined : await openWanLab(link)
      const close = async (): Promise<void> => {
        try {
          if (lab !== undefined) await rejectLate(lab, context)
        } finally {
          for (const held of stack.toReversed()) await held[Symbol.asyncDispose]()
          await lab?.close()
        }
      }
      try {
        const shared = { options, ...(lab === undefined ? {} : { lab }) }
        const contenders = [
          await fleetContender({ name: 'v3', ours: true, style: 'v3', ...shared }, stack),
          await fleetContender({ name: 'v3, profile of the link', ours: false, style: 'v3 profile', ...shared }, stack),
          await fleetContender({ name: 'v1 style', ours: false, style: 'v1', ...shared }, stack),
          await fleetContender({ name: 'stop-and-copy', ours: false, style: 'stop-and-copy', ...shared }, stack),
        ]
        return { data: { kind: describe(options), bytes, seed: SEED }, contenders, [Symbol.asyncDispose]: close }
      } catch (cause) {
        await close()
        throw cause
      }
    },
  }
}

/** A quarter of the memory changes; half of each page is random, the other half repeats. */
function optionsFor(bytes: number): SimulationOptions {
  const pages = bytes / PAGE_BYTES
  return { pages, changingPages: pages / 4, pagesPerSecond: DIRTY_BYTES_PER_SECOND / PAGE_BYTES, seed: SEED, randomWords: 8 }
}

function describe({ changingPages, pagesPerSecond, randomWords = 16 }: SimulationOptions): string {
  return `memory of a WebAssembly program, ${changingPages} pages of it rewritten in turn at ${pagesPerSecond} a second, ${randomWords} of 16 words random`
}
