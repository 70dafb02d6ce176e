import { fileURLToPath } from 'node:url'
import type { Case, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { labObstacle } from '../wanlab/host.js'
import type { WanSettings } from '../wanlab/settings.js'
import { amstContender, iperfContender, iperfStartContender, startContenders, timedContender, type WanTransfer } from './wan/contenders.js'
import { fairnessCase } from './wan/fairness.js'
import { inLab } from './wan/in-lab.js'
import { liveCase } from './wan/live.js'
import { messagesCase } from './wan/messages.js'
import { peerContenders } from './wan/peers.js'
import { queueCase } from './wan/queue.js'
import { treesCase } from './wan/trees.js'

const METRICS: readonly Metric[] = [
  { name: 'goodput', unit: 'MB/s', better: 'higher', exact: false },
  { name: 'of the limit', unit: '%', better: 'higher', exact: false },
  { name: 'sent again', unit: '%', better: 'lower', exact: false },
  { name: 'beyond the loss', unit: '%', better: 'lower', exact: false },
]
/** What of a packet is payload. */
const PAYLOAD_RATIO = 1448 / 1500

type Link = WanSettings & { readonly rttMs: number; readonly rateBitsPerSecond: number }

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
const PLAIN: Link = { ...FAR, rateBitsPerSecond: 500e6 }
const PATHS = [
  { rttMs: 40, queueMs: 50, rateBitsPerSecond: 300e6 },
  { rttMs: 120, queueMs: 50, rateBitsPerSecond: 200e6 },
] as const
/** A file beside the lab's sources; this one runs from dist/suites. */
const HOST_CONGESTION_ONLY = fileURLToPath(new URL('../../wanlab/host-congestion-only', import.meta.url))

export const suite: Suite = {
  name: 'wan',
  purpose:
    'One object over the WAN lab, a new session for each run, encrypted, beside iperf3 with BBR, v1, sockets of Node, rsync and rclone: goodput after the first seconds as a share of the physical limit (rate × 1448/1500 × (1 − loss)), ours over 60 s and others over 20, and what TCP sent again of all it sent, with and without what the link lost by chance. How long 100 MB take from the start; what requests and others on the path wait for beside an object; how long after a change of the link its new limit is reached; what one flow of BBR gets beside us; many small files.',
  tools: ['iperf3', 'rsync', 'rclone'],
  cases: async (context) => {
    const obstacle = await labObstacle()
    // In CI a lab that cannot start fails the run, when the case opens it.
    if (obstacle === undefined || process.env['CI'] === 'true') {
      // A second of each in the short form, which shows no more at another rate.
      const links = Object.entries(LINKS).filter(([, { rateBitsPerSecond }]) => !context.short || rateBitsPerSecond === RATES['500 Mbit/s'])
      return [
        ...links.map(([name, link], index) => wanCase(name, link, context.short && index > 0)),
        twoPathsCase('two paths, 300 Mbit/s, 40 ms and 200 Mbit/s, 120 ms'),
        ...cubicLinks(context.short).map(cubicCase),
        startCase('100 MB from the start', PLAIN),
        messagesCase('requests beside an object', PLAIN),
        queueCase('what others wait for, queue of 200 ms', { ...PLAIN, queueMs: 200 }),
        liveCase('to 90 % after a change of rate or loss', PLAIN, [
          { name: '500 to 100 Mbit/s', to: { rateBitsPerSecond: 100e6 } },
          { name: '100 to 500 Mbit/s', to: { rateBitsPerSecond: 500e6 } },
          { name: 'loss 0 to 1 %', to: { lossRatio: 0.01 } },
        ]),
        liveCase('to 90 % after a change of the round trip', { ...PLAIN, rttMs: 1 }, [{ name: '1 to 100 ms', to: { rttMs: 100 } }]),
        fairnessCase('beside one flow of BBR', PLAIN),
        treesCase('10,000 files of 10 KB', PLAIN),
      ]
    }
    context.note(`without the WAN lab: ${obstacle.message}`)
    return []
  },
}

/** As a share of what both paths let through. */
function twoPathsCase(name: string): Case {
  const [first, second] = PATHS
  return goodputCase(name, { ...first, rateBitsPerSecond: first.rateBitsPerSecond + second.rateBitsPerSecond }, async (transfer, context) =>
    inLab(first, context, async (lab, hold) => {
      await lab.addPath(1, second)
      const ours = await amstContender(lab, transfer, hold, { paths: [1] })
      return { bytes: bytesOf(transfer), contenders: [ours, iperfContender(lab, 16, transfer)] }
    }),
  )
}

/** Chance loss holds such a host back as it holds iperf3: one rate shows it. */
const cubicLinks = (isShort: boolean): readonly (readonly [string, Link])[] =>
  Object.entries(LINKS).filter(
    ([, link]) => link.rateBitsPerSecond === RATES['500 Mbit/s'] && !link.flowRateBitsPerSecond && !(isShort && link.lossRatio),
  )

/** A host that has no BBR. */
function cubicCase([name, link]: readonly [string, Link]): Case {
  return goodputCase(`only cubic: ${name}`, link, async (transfer, context) =>
    inLab(link, context, async (lab, hold) => {
      const ours = await timedContender(lab, transfer, hold, { sendWith: [HOST_CONGESTION_ONLY] })
      return { bytes: bytesOf(transfer), contenders: [ours, iperfContender(lab, 16, transfer, 'cubic')] }
    }),
  )
}

/** `isBrief`: beside one peer. */
function wanCase(name: string, link: Link, isBrief: boolean): Case {
  return goodputCase(name, link, (transfer, context) =>
    inLab(link, context, async (lab, hold) => {
      const ours = await amstContender(lab, transfer, hold)
      const iperfs = (context.short ? [1] : [1, 4, 16]).map((streams) => iperfContender(lab, streams, transfer))
      const others = isBrief ? [] : await peerContenders(lab, transfer, hold, context)
      return { bytes: bytesOf(transfer), contenders: [ours, ...iperfs, ...others] }
    }),
  )
}

const bytesOf = ({ limitBytesPerSecond, seconds }: WanTransfer): number => Math.ceil(limitBytesPerSecond * seconds)

function goodputCase(name: string, link: Link, open: (transfer: WanTransfer, context: SuiteContext) => Promise<OpenCase>): Case {
  return {
    name,
    metrics: METRICS,
    // Ours takes more than a minute, in which BBR looks for its round-trip time six times.
    runs: 1,
    warmups: 0,
    async open(context) {
      const limitBytesPerSecond = (link.rateBitsPerSecond / 8) * PAYLOAD_RATIO * (1 - (link.lossRatio ?? link.burstLoss?.lossRatio ?? 0))
      const transfer = context.short
        ? { limitBytesPerSecond, seconds: 1, settleSeconds: 0 }
        : { limitBytesPerSecond, seconds: 65, settleSeconds: 5 }
      return open(transfer, context)
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
