import type { Peer } from '../harness/process.js'
import type { Case, Contender, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { labObstacle } from '../wanlab/host.js'
import { openWanLab, type WanLab } from '../wanlab/lab.js'
import type { WanSettings } from '../wanlab/settings.js'
import { SEED } from './transport/carrier.js'
import { amstContender, iperfContender, iperfStartContender, startContenders } from './wan/contenders.js'
import { rejectLate } from './wan/late.js'

const METRICS: readonly Metric[] = [
  { name: 'goodput', unit: 'MB/s', better: 'higher', exact: false },
  { name: 'of the limit', unit: '%', better: 'higher', exact: false },
  { name: 'sent again', unit: '%', better: 'lower', exact: false },
  { name: 'beyond the loss', unit: '%', better: 'lower', exact: false },
]
/** What of a packet is payload. */
const PAYLOAD_RATIO = 1448 / 1500

type Link = WanSettings & { readonly rateBitsPerSecond: number }

const RATES = { '500 Mbit/s': 500e6, '1 Gbit/s': 1e9 } as const
const LOSSES: Readonly<Record<string, WanSettings>> = {
  'no loss': {},
  '0.1 % lost': { lossRatio: 0.001 },
  '1 % lost': { lossRatio: 0.01 },
  '1 % lost in bursts of 5': { burstLoss: { lossRatio: 0.01, meanPackets: 5 } },
}
const FAR = { rttMs: 100, queueMs: 50 } as const
const LINKS: Readonly<Record<string, Link>> = {
  ...Object.fromEntries(
    Object.entries(RATES).flatMap(([rate, rateBitsPerSecond]) =>
      Object.entries(LOSSES).map(([loss, settings]) => [`${rate}, 100 ms, ${loss}`, { ...FAR, rateBitsPerSecond, ...settings }]),
    ),
  ),
  '500 Mbit/s, 100 ms, 50 Mbit/s a flow': { ...FAR, rateBitsPerSecond: 500e6, flowRateBitsPerSecond: 50e6 },
}
const START_LINK: Link = { ...FAR, rateBitsPerSecond: 500e6 }

export const suite: Suite = {
  name: 'wan',
  purpose:
    'One object over the WAN lab, a new session for each run, encrypted, beside iperf3 with BBR: goodput after the first seconds as a share of the physical limit (rate × 1448/1500 × (1 − loss)), ours over 60 s and iperf3 over 20, and what TCP sent again of all it sent, with and without what the link lost by chance. And how long 100 MB take from the start.',
  tools: ['iperf3'],
  cases: async (context) => {
    const obstacle = await labObstacle()
    // In CI a lab that cannot start fails the run, when the case opens it.
    if (obstacle === undefined || process.env['CI'] === 'true') {
      // A second of each in the short form, which shows no more at another rate.
      const links = Object.entries(LINKS).filter(([, { rateBitsPerSecond }]) => !context.short || rateBitsPerSecond === RATES['500 Mbit/s'])
      return [...links.map(([name, link]) => wanCase(name, link)), startCase('100 MB from the start', START_LINK)]
    }
    context.note(`without the WAN lab: ${obstacle.message}`)
    return []
  },
}

function wanCase(name: string, link: Link): Case {
  return {
    name,
    metrics: METRICS,
    // Ours takes more than a minute, in which BBR looks for its round-trip time six times.
    runs: 1,
    warmups: 0,
    async open(context: SuiteContext): Promise<OpenCase> {
      const limitBytesPerSecond = (link.rateBitsPerSecond / 8) * PAYLOAD_RATIO * (1 - (link.lossRatio ?? link.burstLoss?.lossRatio ?? 0))
      const transfer = context.short
        ? { limitBytesPerSecond, seconds: 1, settleSeconds: 0 }
        : { limitBytesPerSecond, seconds: 65, settleSeconds: 5 }
      return inLab(link, context, async (lab, hold) => {
        const ours = await amstContender(lab, transfer, hold)
        const contenders = [ours, ...(context.short ? [1] : [1, 4, 16]).map((streams) => iperfContender(lab, streams, transfer))]
        return { bytes: Math.ceil(limitBytesPerSecond * transfer.seconds), contenders }
      })
    },
  }
}

function startCase(name: string, link: Link): Case {
  return {
    name,
    metrics: [{ name: 'rate', unit: 'Mbit/s', better: 'higher', exact: false }],
    runs: 5,
    warmups: 0,
    open: (context) =>
      inLab(link, context, async (lab, hold) => {
        const bytes = context.short ? 2_000_000 : 100_000_000
        const ours = await startContenders(lab, bytes, hold)
        return { bytes, contenders: [...ours, ...[1, 4, 16].map((streams) => iperfStartContender(lab, streams, bytes))] }
      }),
  }
}

type Hold = (peer: Peer) => Peer

async function inLab(
  link: Link,
  context: SuiteContext,
  open: (lab: WanLab, hold: Hold) => Promise<{ readonly bytes: number; readonly contenders: readonly Contender[] }>,
): Promise<OpenCase> {
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
    const { bytes, contenders } = await open(lab, hold)
    return { data: { kind: 'random, repeated every 16 MiB', bytes, seed: SEED }, contenders, [Symbol.asyncDispose]: close }
  } catch (cause) {
    await close()
    throw cause
  }
}
