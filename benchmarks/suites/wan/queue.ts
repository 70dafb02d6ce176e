import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { quantileOf } from '../../harness/statistics.js'
import type { Case, Contender, Measurement } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { type CongestionControl, iperf, startEnds } from './contenders.js'
import { inLab } from './in-lab.js'

const PROBE = fileURLToPath(new URL('../../wanlab/probe.js', import.meta.url))
const PROBE_PORT = '9000'
const EVERY_MS = 20

/** What others on the path wait for: round trips of datagrams beside a transfer, beyond the path's own. */
export function queueCase(name: string, link: WanSettings & { readonly rttMs: number }): Case {
  return {
    name,
    metrics: [
      { name: 'p50', unit: 'ms', better: 'lower', exact: false },
      { name: 'p95', unit: 'ms', better: 'lower', exact: false },
    ],
    runs: 1,
    warmups: 0,
    open: (context) =>
      inLab(link, context, async (lab, hold) => {
        const { sender, target } = await startEnds(lab, hold)
        const [settleSeconds, seconds] = context.short ? [0.5, 1] : [5, 20]
        const beside = async (): Promise<Measurement> => {
          await sleep(settleSeconds * 1000)
          const addedMs = (await ping(lab, seconds)).map((ms) => Math.max(0, ms - link.rttMs))
          return { p50: quantileOf(addedMs, 0.5), p95: quantileOf(addedMs, 0.95) }
        }
        const ours: Contender = {
          name: 'amst, TLS',
          ours: true,
          async run() {
            await sender.ask({ method: 'connect', argument: target })
            const sending = sender.ask({ method: 'sendOn' })
            const measured = await beside()
            await sender.ask({ method: 'stop' })
            await sending
            return measured
          },
        }
        const peer = (congestionControl: CongestionControl, streams: number): Contender => ({
          name: `iperf3 ${congestionControl} ×${streams}`,
          ours: false,
          async run() {
            const options = ['-C', congestionControl, '-P', String(streams), '-t', String(Math.ceil(settleSeconds + seconds + 1))]
            const [measured] = await Promise.all([beside(), iperf(lab, options)])
            return measured
          },
        })
        return { bytes: 0, contenders: [ours, peer('bbr', 1), peer('bbr', 16), peer('cubic', 16)] }
      }),
  }
}

async function ping(lab: WanLab, seconds: number): Promise<readonly number[]> {
  const echo = lab.spawn('b', [process.execPath, PROBE, 'echo', PROBE_PORT], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(echo, 'exit')
  try {
    if (echo.stdout === null) throw new TypeError('the probe has no output')
    for await (const line of createInterface({ input: echo.stdout })) if (line === 'ready') break
    const command = [process.execPath, PROBE, 'ping', lab.address('b'), PROBE_PORT, String(EVERY_MS), String(seconds)]
    return JSON.parse((await lab.exec('a', command)).stdout)
  } finally {
    echo.kill()
    await ended
  }
}
