import { setTimeout as sleep } from 'node:timers/promises'
import { quantileOf } from '../../harness/statistics.js'
import type { Case, Contender, Measurement } from '../../harness/suite.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { startEnds } from './contenders.js'
import { inLab } from './in-lab.js'

const EVERY_MS = 20

/** Requests and their answers, 200 bytes each, while an object fills the link, beside those on the same session when it is idle. */
export function messagesCase(name: string, link: WanSettings): Case {
  return {
    name,
    metrics: [
      { name: 'p50', unit: 'ms', better: 'lower', exact: false },
      { name: 'p99', unit: 'ms', better: 'lower', exact: false },
    ],
    runs: 1,
    warmups: 0,
    open: (context) =>
      inLab(link, context, async (lab, hold) => {
        const { sender, target } = await startEnds(lab, hold)
        const [settleMs, seconds] = context.short ? [500, 1] : [5_000, 20]
        const ask = async (): Promise<Measurement> => {
          const samplesMs = await sender.ask<readonly number[]>({ method: 'ask', argument: { everyMs: EVERY_MS, seconds } })
          return { p50: quantileOf(samplesMs, 0.5), p99: quantileOf(samplesMs, 0.99) }
        }
        const contender = (title: string, ours: boolean, isBusy: boolean): Contender => ({
          name: title,
          ours,
          async run() {
            await sender.ask({ method: 'connect', argument: target })
            const sending = isBusy ? sender.ask({ method: 'sendOn' }) : undefined
            await sleep(settleMs)
            const measured = await ask()
            await sender.ask({ method: 'stop' })
            await sending
            return measured
          },
        })
        return { bytes: 0, contenders: [contender('amst, TLS, beside an object', true, true), contender('amst, TLS, idle', false, false)] }
      }),
  }
}
