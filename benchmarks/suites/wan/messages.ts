import { setTimeout as sleep } from 'node:timers/promises'
import { quantileOf } from '../../harness/statistics.js'
import type { Case, Contender, Measurement, SuiteContext } from '../../harness/suite.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { type Place, startEnds } from './contenders.js'
import { type Hold, inLab } from './in-lab.js'

const EVERY_MS = 20
const LOOPBACK: Place = { command: (_side, [program = '', ...args]) => [program, ...args], address: () => '127.0.0.1' }

const COMMON = {
  metrics: [
    { name: 'p50', unit: 'ms', better: 'lower', exact: false },
    { name: 'p99', unit: 'ms', better: 'lower', exact: false },
  ],
  runs: 1,
  warmups: 0,
} as const

/** Requests and their answers, 200 bytes each, while an object fills the link, beside those on the same session when it is idle. */
export function messagesCase(name: string, link: WanSettings): Case {
  return {
    ...COMMON,
    name,
    open: (context) =>
      inLab(link, context, async (lab, hold) => ({ bytes: 0, contenders: await contendersAt(lab, context, hold, ['sendOn']) })),
  }
}

/** The same on loopback, where the sender encodes as fast as it can beside. */
export function loopbackMessagesCase(name: string): Case {
  return {
    ...COMMON,
    name,
    async open(context) {
      const held: AsyncDisposable[] = []
      const hold: Hold = (one) => {
        held.push(one)
        return one
      }
      const close = async (): Promise<void> => void (await Promise.all(held.map((one) => one[Symbol.asyncDispose]())))
      try {
        const contenders = await contendersAt(LOOPBACK, context, hold, ['sendOn', 'encodeOn'])
        return { data: { kind: 'text and random bytes', bytes: 0 }, contenders, [Symbol.asyncDispose]: close }
      } catch (cause) {
        await close()
        throw cause
      }
    },
  }
}

async function contendersAt(place: Place, context: SuiteContext, hold: Hold, load: readonly string[]): Promise<readonly Contender[]> {
  const { sender, target } = await startEnds(place, hold)
  const [settleMs, seconds] = context.short ? [500, 1] : [5_000, 20]
  const contender = (name: string, ours: boolean, isBusy: boolean): Contender => ({
    name,
    ours,
    async run(): Promise<Measurement> {
      await sender.ask({ method: 'connect', argument: target })
      const working = isBusy ? load.map((method) => sender.ask({ method })) : []
      await sleep(settleMs)
      const samplesMs = await sender.ask<readonly number[]>({ method: 'ask', argument: { everyMs: EVERY_MS, seconds } })
      await sender.ask({ method: 'stop' })
      await Promise.all(working)
      return { p50: quantileOf(samplesMs, 0.5), p99: quantileOf(samplesMs, 0.99) }
    },
  })
  return [contender('amst, TLS, beside an object', true, true), contender('amst, TLS, idle', false, false)]
}
