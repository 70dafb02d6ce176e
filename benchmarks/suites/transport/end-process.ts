import type { TlsCredentials } from '@dwcp/interface'
import { answerParent } from '../../harness/process.js'
import { amstCarrier } from './amst-carrier.js'
import { type Carrier, PatternCheck } from './carrier.js'
import { frameCarrier } from './frame-carrier.js'
import { netCarrier } from './net-carrier.js'
import { v1Carrier } from './v1-carrier.js'

/** One end of a transfer, in a process of its own. */
export type CarrierName = 'net' | 'amst' | 'frames' | 'frames-js' | 'v1'
export interface EndSettings {
  readonly carrier: CarrierName
  readonly host: string
  readonly tls?: TlsCredentials
}

const CARRIERS: Readonly<Record<CarrierName, Carrier>> = {
  net: netCarrier,
  amst: amstCarrier,
  frames: frameCarrier('native'),
  'frames-js': frameCarrier('js'),
  v1: v1Carrier,
}

let check: PatternCheck | undefined
let received = 0
let objects = 0
let send: ((bytes: number) => Promise<void>) | undefined
let cpuAtStart = process.cpuUsage()

answerParent({
  async listen({ carrier, host, tls }: EndSettings) {
    return CARRIERS[carrier].listen({
      host,
      ...(tls === undefined ? {} : { tls }),
      onBytes: (bytes, offset) => {
        received += bytes.length
        check?.see(bytes, offset)
      },
      onEnd: () => objects++,
    })
  },
  async connect({ carrier, host, tls, port, streams }: EndSettings & { port: number; streams: number }) {
    send = await CARRIERS[carrier].connect({ host, port, streams, ...(tls === undefined ? {} : { tls }) })
  },
  async begin({ verify }: { verify: boolean }) {
    check = verify ? new PatternCheck() : undefined
    received = 0
    objects = 0
    cpuAtStart = process.cpuUsage()
  },
  async send({ bytes }: { bytes: number }) {
    if (send === undefined) throw new TypeError('connect first')
    const startMs = performance.now()
    await send(bytes)
    return { seconds: (performance.now() - startMs) / 1000 }
  },
  async end() {
    const { user, system } = process.cpuUsage(cpuAtStart)
    return { received, objects, wrong: check?.wrong ?? false, cpuSeconds: (user + system) / 1e6 }
  },
})
