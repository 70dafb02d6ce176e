import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer } from '../../harness/process.js'
import type { Case, Measurement } from '../../harness/suite.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { startEnds } from './contenders.js'
import { inLab } from './in-lab.js'

const EVERY_MS = 25
/** Ours and BBR look for more and give back again within eight round trips: what arrives in less is not the rate. */
const WINDOW_MS = 1000
/** For so long what was reached has to be kept. */
const KEPT_MS = 2_000
const REACHED = 0.9
const PAYLOAD_RATIO = 1448 / 1500

export type LiveLink = WanSettings & { readonly rateBitsPerSecond: number }

export interface Change {
  readonly name: string
  readonly to: Partial<LiveLink>
}

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

/**
 * The link changes while an object is on it, again and again: how long until what arrives is 90 % of what the link then lets through, and
 * stays so for two seconds, in windows of a second.
 */
export function liveCase(name: string, link: LiveLink, changes: readonly Change[]): Case {
  return {
    name,
    metrics: changes.map((change) => ({ name: change.name, unit: 's', better: 'lower', exact: false })),
    runs: 3,
    warmups: 0,
    open: (context) =>
      inLab(link, context, async (lab, hold) => {
        const { sender, receiver, target } = await startEnds(lab, hold)
        const [settleMs, spanMs] = context.short ? [500, 500] : [5_000, 8_000]
        const run = async (): Promise<Measurement> => {
          await lab.set(link)
          await sender.ask({ method: 'connect', argument: target })
          const sending = sender.ask({ method: 'sendOn' })
          await sleep(settleMs)
          let now = link
          const measured: Record<string, number> = {}
          for (const { name: title, to } of changes) {
            now = { ...now, ...to }
            await lab.set(to)
            const samples = await watch(receiver, spanMs)
            const limit = (now.rateBitsPerSecond / 8) * PAYLOAD_RATIO * (1 - (now.lossRatio ?? 0))
            measured[title] = secondsTo(samples, limit) ?? spanMs / 1000
          }
          await sender.ask({ method: 'stop' })
          await sending
          return measured
        }
        return { bytes: 0, contenders: [{ name: 'amst, TLS', ours: true, run }] }
      }),
  }
}

async function watch(receiver: Peer, spanMs: number): Promise<readonly Sample[]> {
  const startMs = performance.now()
  const samples: Sample[] = []
  for (let atMs = 0; atMs < spanMs; atMs = performance.now() - startMs) {
    samples.push({ atMs: performance.now() - startMs, bytes: await receiver.ask<number>({ method: 'arrived' }) })
    await sleep(EVERY_MS)
  }
  return samples
}

/** @returns undefined where that was not reached and kept. */
export function secondsTo(samples: readonly Sample[], limitBytesPerSecond: number): number | undefined {
  const lastMs = samples.at(-1)?.atMs ?? 0
  const isReached = (first: Sample): boolean | undefined => {
    const last = samples.find(({ atMs }) => atMs >= first.atMs + WINDOW_MS)
    return last && ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs) >= REACHED * limitBytesPerSecond
  }
  const found = samples.find((first) => {
    const kept = samples.filter(({ atMs }) => atMs >= first.atMs && atMs <= first.atMs + KEPT_MS)
    return first.atMs + KEPT_MS + WINDOW_MS <= lastMs && kept.every((sample) => isReached(sample) === true)
  })
  return found && found.atMs / 1000
}
