import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Peer, startPeer } from '../../harness/process.js'
import type { Contender, Measurement } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'
import { certificatesFor } from '../transport/certificates.js'
import type { WanConnect, WanListen, WanSent } from './end-process.js'
import type { Hold } from './in-lab.js'

const END = new URL('./end-process.js', import.meta.url)
const IPERF_PORT = '15201'
/** Of a peer: two of BBR's rounds of looking for the round-trip time. */
export const PEER_SECONDS = 20

/** What is moved: how long that takes at the physical limit, and from when it counts. */
export interface WanTransfer {
  readonly limitBytesPerSecond: number
  readonly seconds: number
  /** Left out at the beginning. */
  readonly settleSeconds: number
}

/** @dwcp/amst with its defaults and TLS: a new session for each run, one object. */
export async function amstContender(lab: WanLab, transfer: WanTransfer, hold: Hold, options: EndOptions = {}): Promise<Contender> {
  const { sender, receiver, target } = await startEnds(lab, hold, options)
  const run = async (): Promise<Measurement> => {
    const bytes = Math.ceil(transfer.limitBytesPerSecond * transfer.seconds)
    const lost = await lossCounter(lab)
    await sender.ask({ method: 'connect', argument: target })
    const before = await receiver.ask<number>({ method: 'received' })
    const sent = sender.ask<WanSent>({ method: 'send', argument: { bytes } })
    await sleep(transfer.settleSeconds * 1000)
    const settled = await receiver.ask<number>({ method: 'received' })
    const settledMs = performance.now()
    const { retransmittedRatio } = await sent
    const seconds = (performance.now() - settledMs) / 1000
    const arrived = (await receiver.ask<number>({ method: 'received' })) - before
    if (arrived !== bytes) throw new Error(`${arrived} of ${bytes} bytes arrived`)
    return measurement((before + bytes - settled) / seconds, { resentRatio: retransmittedRatio, lostRatio: await lost() }, transfer)
  }
  return { name: 'amst, TLS', ours: true, run }
}

/** The same for a time, where the bytes that fill a link could take for ever: every block is verified as it comes. */
export async function timedContender(lab: WanLab, transfer: WanTransfer, hold: Hold, options: EndOptions): Promise<Contender> {
  const { sender, receiver, target } = await startEnds(lab, hold, options)
  const { settleSeconds, seconds } = transfer
  const run = async (): Promise<Measurement> => {
    const lost = await lossCounter(lab)
    await sender.ask({ method: 'connect', argument: target })
    const sending = sender.ask({ method: 'sendOn' })
    await sleep(settleSeconds * 1000)
    const [settled, startMs] = [await receiver.ask<number>({ method: 'received' }), performance.now()]
    await sleep((seconds - settleSeconds) * 1000)
    const rate = ((await receiver.ask<number>({ method: 'received' })) - settled) / ((performance.now() - startMs) / 1000)
    const { congestionControl, retransmittedRatio } = await sender.ask<WanSent>({ method: 'stop' })
    await sending
    if (congestionControl !== 'cubic') throw new Error(`streams had ${congestionControl}, where only cubic was to be there`)
    return measurement(rate, { resentRatio: retransmittedRatio, lostRatio: await lost() }, transfer)
  }
  return { name: 'amst, TLS', ours: true, run }
}

/** iperf3: no integrity check, no encryption. */
export function iperfContender(
  lab: WanLab,
  streams: number,
  transfer: WanTransfer,
  congestionControl: CongestionControl = 'bbr',
): Contender {
  const run = async (): Promise<Measurement> => {
    const lost = await lossCounter(lab)
    const { settleSeconds, seconds } = transfer
    const times = [
      '-t',
      String(Math.max(1, Math.min(PEER_SECONDS, Math.round(seconds - settleSeconds)))),
      '-O',
      String(Math.round(settleSeconds)),
    ]
    const { end } = await iperf(lab, ['-C', congestionControl, '-P', String(streams), ...times])
    const resentRatio = (end.sum_sent.retransmits * MSS_BYTES) / end.sum_sent.bytes
    return measurement(end.sum_received.bits_per_second / 8, { resentRatio, lostRatio: await lost() }, transfer)
  }
  return { name: `iperf3 ${congestionControl} ×${streams}`, ours: false, run }
}

const MSS_BYTES = 1448

interface IperfReport {
  readonly end: {
    readonly sum_sent: { readonly bytes: number; readonly retransmits: number }
    readonly sum_received: { readonly bits_per_second: number }
  }
}

interface Resent {
  readonly resentRatio: number
  /** By the link, by chance, on the way there. */
  readonly lostRatio: number
}

export const goodput = (bytesPerSecond: number, { limitBytesPerSecond }: WanTransfer): Measurement => ({
  goodput: bytesPerSecond / 1e6,
  'of the limit': (100 * bytesPerSecond) / limitBytesPerSecond,
})

function measurement(bytesPerSecond: number, { resentRatio, lostRatio }: Resent, transfer: WanTransfer): Measurement {
  return {
    ...goodput(bytesPerSecond, transfer),
    'sent again': 100 * resentRatio,
    'beyond the loss': 100 * Math.max(0, resentRatio - lostRatio),
  }
}

/** @returns what tells the share that the link has lost by chance from now on. */
async function lossCounter(lab: WanLab): Promise<() => Promise<number>> {
  const before = (await lab.stats()).ab
  return async () => {
    const { ab } = await lab.stats()
    return (ab.droppedByLoss - before.droppedByLoss) / Math.max(1, ab.inPackets - before.inPackets)
  }
}

export interface EndOptions {
  /** Of the lab, for the listener to tell beside its first. */
  readonly paths?: readonly number[]
  /** Before the sender's own command line. */
  readonly sendWith?: readonly string[]
}

export interface Ends {
  readonly sender: Peer
  readonly receiver: Peer
  readonly target: WanConnect
}

/** Where the two sides are. */
export type Place = Pick<WanLab, 'address' | 'command'>

/** Two processes, one on each side; the second listens. */
export async function startEnds(lab: Place, hold: Hold, { paths = [], sendWith = [] }: EndOptions = {}): Promise<Ends> {
  const [sender, receiver] = [
    hold(startPeer(END, (command) => lab.command('a', [...sendWith, ...command]))),
    hold(startPeer(END, (command) => lab.command('b', command))),
  ]
  const certificates = await certificatesFor(['sender', 'receiver'])
  const [theirs, ours] = [certificates.get('receiver'), certificates.get('sender')]
  if (theirs === undefined || ours === undefined) throw new TypeError('two certificates were asked for')
  const host = lab.address('b')
  const listening: WanListen = { host, tls: theirs, addresses: paths.map((path) => lab.address('b', path)) }
  const { port } = await receiver.ask<{ readonly port: number }>({ method: 'listen', argument: listening })
  return { sender, receiver, target: { host, port, tls: ours } }
}

/** One object, timed from `connect()` to its receipt, and from `send()` on a session that has been open for a second. */
export async function startContenders(lab: WanLab, bytes: number, hold: Hold): Promise<readonly Contender[]> {
  const { sender, target } = await startEnds(lab, hold)
  const sendMs = async (): Promise<number> => {
    const startMs = performance.now()
    await sender.ask<WanSent>({ method: 'send', argument: { bytes } })
    return performance.now() - startMs
  }
  const fromConnect = async (): Promise<Measurement> => {
    await sender.ask({ method: 'close', argument: undefined })
    const startMs = performance.now()
    await sender.ask({ method: 'connect', argument: target })
    await sendMs()
    return { rate: (bytes * 8) / 1000 / (performance.now() - startMs) }
  }
  const fromSend = async (): Promise<Measurement> => {
    await sender.ask({ method: 'connect', argument: target })
    await sleep(1000)
    return { rate: (bytes * 8) / 1000 / (await sendMs()) }
  }
  return [
    { name: 'amst, TLS, from connect()', ours: true, run: fromConnect },
    { name: 'amst, TLS, from send()', ours: true, run: fromSend },
  ]
}

/** As iperf3 counts it: from its first byte, on connections that are there, to the last that it has sent. */
export function iperfStartContender(lab: WanLab, streams: number, bytes: number): Contender {
  const run = async (): Promise<Measurement> => {
    const { end } = await iperf(lab, ['-C', 'bbr', '-P', String(streams), '-n', String(bytes)])
    return { rate: end.sum_received.bits_per_second / 1e6 }
  }
  return { name: `iperf3 bbr ×${streams}`, ours: false, run }
}

export type CongestionControl = 'bbr' | 'cubic'

/** From side a to side b. */
export async function iperf(lab: WanLab, options: readonly string[], port: string = IPERF_PORT): Promise<IperfReport> {
  const server = lab.spawn('b', ['stdbuf', '-oL', 'iperf3', '-s', '-1', '-p', port], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'exit')
  try {
    if (server.stdout === null) throw new TypeError('iperf3 has no output')
    for await (const line of createInterface({ input: server.stdout })) if (line.includes('listening')) break
    server.stdout.resume()
    const { stdout } = await lab.exec('a', ['iperf3', '-c', lab.address('b'), '-p', port, ...options, '-J'])
    return JSON.parse(stdout)
  } finally {
    server.kill()
    await ended
  }
}
