import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PAIRS } from '../../corpora/pairs.js'
import { memoryFolder } from '../../harness/memory-folder.js'
import { type Peer, startPeer } from '../../harness/process.js'
import type { Case, Contender, Metric, OpenCase, SuiteContext } from '../../harness/suite.js'
import { labObstacle } from '../../wanlab/host.js'
import { openWanLab, type WanLab } from '../../wanlab/lab.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { changedMemory, syntheticMemory } from '../encoding/page-sets.js'
import { rejectLate } from '../wan/late.js'
import type { Receive, Send, Sent } from './memory-mover.js'

const MOVER = new URL('./memory-mover.js', import.meta.url)
const SEED = 5
const SHORT_BYTES = 16 * 2 ** 20
/** Of what a link carries, headers of TCP, IP and Ethernet are not the sender's. */
const PAYLOAD_SHARE = 0.95

const METRICS: readonly Metric[] = [
  { name: 'total', unit: 'ms', better: 'lower', exact: false },
  { name: 'wire bytes', unit: 'B', better: 'lower', exact: false },
  { name: 'CPU of both ends', unit: 'ms', better: 'lower', exact: false },
]

const LINKS: Readonly<Record<string, WanSettings & { readonly rateBitsPerSecond: number }>> = {
  '240 Mbit/s, 40 ms': { rttMs: 40, rateBitsPerSecond: 240e6, queueMs: 50, lossRatio: 0 },
  '1 Gbit/s, 20 ms': { rttMs: 20, rateBitsPerSecond: 1e9, queueMs: 50, lossRatio: 0 },
}
const SYNTHETIC = 'synthetic memory'
const GUESTS = ['redis guest, 0 to 30 s', 'sqlite guest, 0 to 30 s'] as const

interface Memories extends AsyncDisposable {
  readonly kind: string
  readonly bytes: number
  readonly before: string
  readonly after: string
}

/** A memory moved over the emulated link, all of it and then what changed, with the choice learned, and as profiles say. */
export async function wanCases(context: SuiteContext): Promise<readonly Case[]> {
  const obstacle = await labObstacle()
  // In CI a lab that cannot start fails the run, when the case opens it.
  if (obstacle !== undefined && process.env['CI'] !== 'true') {
    context.note(`without the WAN lab: ${obstacle.message}`)
    return []
  }
  const guests = context.short ? [SYNTHETIC] : GUESTS
  return Object.entries(LINKS).flatMap(([name, link]) => guests.map((guest) => wanCase(`${guest}, ${name}`, guest, link)))
}

function wanCase(name: string, guest: string, link: WanSettings & { readonly rateBitsPerSecond: number }): Case {
  return {
    name,
    metrics: METRICS,
    runs: 5,
    async open(context): Promise<OpenCase> {
      const held: AsyncDisposable[] = []
      const close = async (): Promise<void> => {
        for (const each of held.toReversed()) await each[Symbol.asyncDispose]()
      }
      const hold = <T extends AsyncDisposable>(thing: T): T => {
        held.push(thing)
        return thing
      }
      try {
        const memories = hold(await memoriesOf(guest))
        const lab = hold(await openWanLab(link))
        hold({ [Symbol.asyncDispose]: () => rejectLate(lab, context) })
        const contenders = await contendersOf(lab, memories, link.rateBitsPerSecond, hold, context)
        const { kind, bytes } = memories
        return { data: { kind, bytes, seed: SEED }, contenders, [Symbol.asyncDispose]: close }
      } catch (cause) {
        await close()
        throw cause
      }
    },
  }
}

async function contendersOf(
  lab: WanLab,
  { before, after }: Memories,
  rateBitsPerSecond: number,
  hold: <T extends AsyncDisposable>(thing: T) => T,
  context: SuiteContext,
): Promise<readonly Contender[]> {
  const start = (side: 'a' | 'b'): Peer => hold(startPeer(MOVER, (command) => lab.command(side, command)))
  const [source, target] = [start('a'), start('b')]
  const host = lab.address('b')
  const { port } = await target.ask<{ readonly port: number }>({ method: 'receive', argument: { host, after } satisfies Receive })
  const contender = (name: string, ours: boolean, how: Pick<Send, 'profile' | 'bytesPerSecond'>): Contender => ({
    name,
    ours,
    run: async () => {
      const beforeMs = await target.ask<number>({ method: 'cpuMs' })
      const sent = await source.ask<Sent>({ method: 'send', argument: { host, port, before, after, ...how } satisfies Send })
      const takingMs = (await target.ask<number>({ method: 'cpuMs' })) - beforeMs
      if (how.bytesPerSecond !== undefined) context.note(`${name}: batches by method ${JSON.stringify(sent.methods)}`)
      return { total: sent.totalMs, 'wire bytes': sent.wireBytes, 'CPU of both ends': sent.cpuMs + takingMs }
    },
  })
  return [
    contender('learned', true, { profile: 'hybrid', bytesPerSecond: (rateBitsPerSecond / 8) * PAYLOAD_SHARE }),
    contender('profile hybrid', false, { profile: 'hybrid' }),
    contender('profile internet', false, { profile: 'internet' }),
  ]
}

async function memoriesOf(name: string): Promise<Memories> {
  const pair = PAIRS.find((each) => each.name === name)
  if (pair !== undefined) {
    const { before, after, kind } = await pair.build()
    if (before === undefined) throw new TypeError(`${name} has no earlier memory`)
    const { size } = await stat(after)
    return { kind, bytes: size, before, after, [Symbol.asyncDispose]: async () => undefined }
  }
  const folder = await mkdtemp(join(await memoryFolder(), 'dwcp-choice-'))
  const [before, after] = [join(folder, 'before'), join(folder, 'after')]
  const memory = syntheticMemory(SEED, SHORT_BYTES)
  await writeFile(before, memory)
  await writeFile(after, changedMemory(memory, SEED))
  return { kind: name, bytes: SHORT_BYTES, before, after, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
