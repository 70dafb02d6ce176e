import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryFolder } from '../../harness/memory-folder.js'
import { startPeer } from '../../harness/process.js'
import type { Contender, SuiteContext } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'
import { certificatesFor } from '../transport/certificates.js'
import type { CarrierName } from '../transport/end-process.js'
import { goodput, PEER_SECONDS, type WanTransfer } from './contenders.js'
import { fileCopiers } from './file-servers.js'
import type { Hold } from './in-lab.js'

const END = new URL('../transport/end-process.js', import.meta.url)
/** More than the link carries meanwhile. */
const SPARE = 1.2

/** What else moves bytes: v1 on one connection and on four, Node's own sockets, rsync and rclone; with cubic, as the lab's hosts have it. */
export async function peerContenders(lab: WanLab, transfer: WanTransfer, hold: Hold, context: SuiteContext): Promise<Contender[]> {
  return [
    carrierContender(lab, transfer, { name: 'v1 cubic ×1', carrier: 'v1', streams: 1 }),
    carrierContender(lab, transfer, { name: 'v1 cubic ×4', carrier: 'v1', streams: 4 }),
    carrierContender(lab, transfer, { name: 'node:net cubic', carrier: 'net', streams: 1 }),
    carrierContender(lab, transfer, { name: 'node:tls cubic', carrier: 'net', streams: 1, isSealed: true }),
    ...(await copierContenders(lab, transfer, hold, context)),
  ]
}

interface CarrierSettings {
  readonly name: string
  readonly carrier: CarrierName
  readonly streams: number
  readonly isSealed?: boolean
}

function carrierContender(lab: WanLab, transfer: WanTransfer, { name, carrier, streams, isSealed = false }: CarrierSettings): Contender {
  return {
    name,
    ours: false,
    async run() {
      const certificates = isSealed ? await certificatesFor(['sender', 'receiver']) : undefined
      const host = lab.address('b')
      await using receiver = startPeer(END, (command) => lab.command('b', command))
      const { port } = await receiver.ask<{ port: number }>({
        method: 'listen',
        argument: { carrier, host, tls: certificates?.get('receiver') },
      })
      await using sender = startPeer(END, (command) => lab.command('a', command))
      await sender.ask({ method: 'connect', argument: { carrier, host, port, streams, tls: certificates?.get('sender') } })
      await receiver.ask({ method: 'begin', argument: { verify: false } })
      const sending = sender.ask({ method: 'send', argument: { bytes: bytesFor(transfer) } })
      sending.catch(() => undefined)
      return await timed(transfer, sending, async () => (await receiver.ask<{ received: number }>({ method: 'end' })).received)
    },
  }
}

/** One large file, by whole commands, into memory. */
async function copierContenders(lab: WanLab, transfer: WanTransfer, hold: Hold, context: SuiteContext): Promise<Contender[]> {
  const root = await mkdtemp(join(await memoryFolder(), 'dwcp-peers-'))
  hold({ [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) })
  const [from, to] = [join(root, 'from'), join(root, 'to')]
  for (const directory of [from, to]) await mkdir(directory)
  await writeFile(join(from, 'object'), '')
  // Of zeros, which none of them packs as it is called here.
  await truncate(join(from, 'object'), bytesFor(transfer))
  const copiers = await fileCopiers(lab, root, to, hold, context)
  return copiers.map((copier, index) => ({
    name: copier.name,
    ours: false,
    async run() {
      const into = join(to, `${index}`)
      const stop = new AbortController()
      const copying = lab.exec('a', copier.copy(from, `${index}`), { signal: stop.signal })
      try {
        return await timed(transfer, copying, () => bytesIn(into))
      } finally {
        stop.abort()
        await copying.catch(() => undefined)
        await rm(into, { recursive: true, force: true })
      }
    },
  }))
}

const bytesFor = ({ limitBytesPerSecond, settleSeconds }: WanTransfer): number =>
  Math.ceil(limitBytesPerSecond * (settleSeconds + PEER_SECONDS) * SPARE)

/** What arrives in a time of a transfer that lasts longer. */
async function timed(
  transfer: WanTransfer,
  sending: Promise<unknown>,
  arrived: () => Promise<number>,
): Promise<ReturnType<typeof goodput>> {
  const tooSoon = sending.then(() => {
    throw new Error('it ended before it was measured')
  })
  tooSoon.catch(() => undefined)
  const { settleSeconds, seconds } = transfer
  const waited = async (waitSeconds: number): Promise<{ readonly bytes: number; readonly atMs: number }> => {
    await Promise.race([sleep(waitSeconds * 1000), tooSoon])
    return { bytes: await arrived(), atMs: performance.now() }
  }
  const before = await waited(settleSeconds)
  const after = await waited(Math.min(PEER_SECONDS, seconds - settleSeconds))
  return goodput(((after.bytes - before.bytes) * 1000) / (after.atMs - before.atMs), transfer)
}

async function bytesIn(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => [])
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
