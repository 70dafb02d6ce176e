import type { TlsCredentials } from '@dwcp/interface'
import { type Peer, startPeer } from '../../harness/process.js'
import type { Contender } from '../../harness/suite.js'
import type { CarrierName } from './end-process.js'

const END = new URL('./end-process.js', import.meta.url)
const HOST = '127.0.0.1'

export interface PairSettings {
  readonly name: string
  readonly ours: boolean
  readonly carrier: CarrierName
  readonly streams: number
  readonly bytes: number
  readonly tls?: { readonly sender: TlsCredentials; readonly receiver: TlsCredentials }
}

interface EndReport {
  readonly received: number
  readonly objects: number
  readonly wrong: boolean
  readonly cpuSeconds: number
}

/** Two processes with one connection or session, kept for all runs. The first run compares every byte. */
export async function pairContender(settings: PairSettings, stack: AsyncDisposable[]): Promise<Contender> {
  const { name, ours, carrier, streams, bytes, tls } = settings
  const receiver = startPeer(END)
  const sender = startPeer(END)
  stack.push(sender, receiver)
  const { port } = await receiver.ask<{ port: number }>({ method: 'listen', argument: { carrier, host: HOST, tls: tls?.receiver } })
  await sender.ask({ method: 'connect', argument: { carrier, host: HOST, port, streams, tls: tls?.sender } })
  let verified = false
  const run = async (): Promise<Record<string, number>> => {
    const verify = !verified
    await Promise.all([
      sender.ask({ method: 'begin', argument: { verify: false } }),
      receiver.ask({ method: 'begin', argument: { verify } }),
    ])
    const { seconds } = await sender.ask<{ seconds: number }>({ method: 'send', argument: { bytes } })
    const [there, here] = await Promise.all([report(receiver), report(sender)])
    if (there.received !== bytes || there.objects !== 1)
      throw new Error(`${there.received} of ${bytes} bytes arrived, in ${there.objects} objects`)
    if (there.wrong) throw new Error('what arrived is not what was sent')
    verified = true
    return { goodput: bytes / seconds / 1e6, 'CPU of both ends': (there.cpuSeconds + here.cpuSeconds) / (bytes / 1e9) }
  }
  return { name, ours, run }
}

function report(end: Peer): Promise<EndReport> {
  return end.ask<EndReport>({ method: 'end' })
}
