import { connect, listen, type Session, type SessionMode } from '@dwcp/amst'
import type { TlsCredentials } from '@dwcp/interface'
import { answerParent } from '../../harness/process.js'
import { pattern } from '../transport/carrier.js'

/** One end of a session over the WAN lab, in a process of its own. */
export interface WanConnect {
  readonly host: string
  readonly port: number
  readonly tls: TlsCredentials
}

export interface WanSent {
  /** TCP's own, of all streams. */
  readonly retransmittedRatio: number
  readonly streams: number
  readonly congestionControl: string
}

let received = 0
let session: Session | undefined

answerParent({
  async listen({ host, tls }: { host: string; tls: TlsCredentials }) {
    const server = await listen({ nodeId: 'receiver', host, port: 0, tls })
    void takeAll(server)
    return { port: server.address.port }
  },
  /** A session for each transfer: what an old one has learned would not be there the first time. */
  async connect({ host, port, tls }: WanConnect) {
    await session?.close()
    session = await connect({ host, port }, { nodeId: 'sender', tls })
    void takeObjects(session)
  },
  async close() {
    await session?.close()
    session = undefined
  },
  /** To whoever is at the other end, whichever called. */
  async send({ bytes }: { bytes: number }): Promise<WanSent> {
    if (session === undefined) throw new TypeError('connect first')
    await session.send({ lengthBytes: bytes, stream: asyncOf(pattern(bytes)) }, { class: 'bulk' })
    const { retransmittedRatio = Number.NaN, streams } = session.stats()
    return { retransmittedRatio, streams: streams.length, congestionControl: streams.at(-1)?.congestionControl ?? 'unknown' }
  },
  async setMode({ mode }: { mode: SessionMode }) {
    session?.setMode(mode)
  },
  async received() {
    return received
  },
})

async function takeAll(sessions: AsyncIterable<Session>): Promise<void> {
  for await (const one of sessions) {
    session = one
    void takeObjects(one)
  }
}

async function takeObjects({ incoming }: Session): Promise<void> {
  for await (const transfer of incoming) {
    for await (const bytes of transfer.stream) received += bytes.byteLength
    transfer.complete()
  }
}

async function* asyncOf<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values
}
