import { setTimeout as sleep } from 'node:timers/promises'
import type { Case, Measurement } from '../../harness/suite.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { iperf, startEnds } from './contenders.js'
import { inLab } from './in-lab.js'

const OTHER_PORT = '15202'

/** One transfer beside one flow of BBR: Jain's index (1984), (Σx)² / (n Σx²), and what each had. */
export function fairnessCase(name: string, link: WanSettings): Case {
  return {
    name,
    metrics: [
      { name: 'Jain', unit: '1', better: 'higher', exact: false },
      { name: 'the one', unit: 'MB/s', better: 'higher', exact: false },
      { name: 'the other', unit: 'MB/s', better: 'higher', exact: false },
    ],
    runs: 3,
    warmups: 0,
    open: (context) =>
      inLab(link, context, async (lab, hold) => {
        const { sender, receiver, target } = await startEnds(lab, hold)
        const [settleSeconds, seconds] = context.short ? [0, 1] : [5, 30]
        const options = ['-C', 'bbr', '-t', String(seconds), '-O', String(settleSeconds)]
        const beside = async (): Promise<Measurement> => {
          await sender.ask({ method: 'connect', argument: target })
          const sending = sender.ask({ method: 'sendOn' })
          const other = iperf(lab, options)
          await sleep(settleSeconds * 1000)
          const [before, startMs] = [await receiver.ask<number>({ method: 'received' }), performance.now()]
          await sleep(seconds * 1000)
          const ours = ((await receiver.ask<number>({ method: 'received' })) - before) / ((performance.now() - startMs) / 1000)
          const { end } = await other
          await sender.ask({ method: 'stop' })
          await sending
          return measurement(ours, end.sum_received.bits_per_second / 8)
        }
        const two = async (): Promise<Measurement> => {
          const [one, other] = await Promise.all([iperf(lab, options), iperf(lab, options, OTHER_PORT)])
          return measurement(one.end.sum_received.bits_per_second / 8, other.end.sum_received.bits_per_second / 8)
        }
        return {
          bytes: 0,
          contenders: [
            { name: 'amst, TLS, and iperf3 bbr ×1', ours: true, run: beside },
            { name: 'iperf3 bbr ×1 twice', ours: false, run: two },
          ],
        }
      }),
  }
}

const measurement = (one: number, other: number): Measurement => ({
  Jain: (one + other) ** 2 / (2 * (one ** 2 + other ** 2)),
  'the one': one / 1e6,
  'the other': other / 1e6,
})
