import type { Peer } from '../harness/process.js'
import type { Case, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { labObstacle } from '../wanlab/host.js'
import { openWanLab } from '../wanlab/lab.js'
import type { WanSettings } from '../wanlab/settings.js'
import { SEED } from './transport/carrier.js'
import { amstContender, iperfContender } from './wan/contenders.js'
import { rejectLate } from './wan/late.js'

const METRICS: readonly Metric[] = [
  { name: 'goodput', unit: 'MB/s', better: 'higher', exact: false },
  { name: 'of the limit', unit: '%', better: 'higher', exact: false },
  { name: 'sent again', unit: '%', better: 'lower', exact: false },
]
/** What of a packet is payload. */
const PAYLOAD_RATIO = 1448 / 1500

const LINKS: Readonly<Record<string, WanSettings & { readonly rateBitsPerSecond: number }>> = {
  '500 Mbit/s, 100 ms, no loss': { rttMs: 100, rateBitsPerSecond: 500e6, queueMs: 50 },
  '500 Mbit/s, 100 ms, 1 % lost': { rttMs: 100, rateBitsPerSecond: 500e6, queueMs: 50, lossRatio: 0.01 },
  '1 Gbit/s, 100 ms, no loss': { rttMs: 100, rateBitsPerSecond: 1e9, queueMs: 50 },
}

export const suite: Suite = {
  name: 'wan',
  purpose:
    'One object over the WAN lab, a new session for each run, encrypted, beside iperf3 with BBR: goodput after the first seconds as a share of the physical limit (rate × 1448/1500 × (1 − loss)), and what TCP sent again of all it sent, the random loss included.',
  tools: ['iperf3'],
  cases: async (context) => {
    const obstacle = await labObstacle()
    // In CI a lab that cannot start fails the run, when the case opens it.
    if (obstacle === undefined || process.env['CI'] === 'true') return Object.entries(LINKS).map(([name, link]) => wanCase(name, link))
    context.note(`without the WAN lab: ${obstacle.message}`)
    return []
  },
}

function wanCase(name: string, link: WanSettings & { readonly rateBitsPerSecond: number }): Case {
  return {
    name,
    metrics: METRICS,
    runs: 3,
    warmups: 0,
    async open(context: SuiteContext): Promise<OpenCase> {
      const limitBytesPerSecond = (link.rateBitsPerSecond / 8) * PAYLOAD_RATIO * (1 - (link.lossRatio ?? 0))
      const transfer = context.short
        ? { limitBytesPerSecond, seconds: 1, settleSeconds: 0 }
        : { limitBytesPerSecond, seconds: 25, settleSeconds: 5 }
      const lab = await openWanLab(link)
      const held: AsyncDisposable[] = []
      const close = async (): Promise<void> => {
        try {
          for (const each of held.toReversed()) await each[Symbol.asyncDispose]()
          await rejectLate(lab, context)
        } finally {
          await lab.close()
        }
      }
      const hold = (peer: Peer): Peer => {
        held.push(peer)
        return peer
      }
      try {
        const ours = await amstContender(lab, transfer, hold)
        const contenders = [ours, ...(context.short ? [1] : [1, 4, 16]).map((streams) => iperfContender(lab, streams, transfer))]
        const bytes = Math.ceil(limitBytesPerSecond * transfer.seconds)
        return { data: { kind: 'random, repeated every 16 MiB', bytes, seed: SEED }, contenders, [Symbol.asyncDispose]: close }
      } catch (cause) {
        await close()
        throw cause
      }
    },
  }
}
