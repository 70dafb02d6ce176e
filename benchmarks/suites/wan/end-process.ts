import { setTimeout as sleep } from 'node:timers/promises'
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

export interface WanListen {
  readonly host: string
  readonly tls: TlsCredentials
  /** Others than `host`, for more than one path. */
  readonly addresses?: readonly string[]
}

export interface WanSent {
  /** TCP's own, of all streams. */
  readonly retransmittedRatio: number
  readonly streams: number
  readonly congestionControl: string
}

const QUESTION = new Uint8Array(200)
const PATTERN_BYTES = 16 * 2 ** 20

let received = 0
let session: Session | undefined
let isSending = false

answerParent({
  async listen({ host, tls, addresses = [] }: WanListen) {
    const server = await listen({ nodeId: 'receiver', host: addresses.length > 0 ? '0.0.0.0' : host, port: 0, tls, addresses })
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
  /** Until `stop`. */
  async sendOn(): Promise<void> {
    if (session === undefined) throw new TypeError('connect first')
    isSending = true
    await session.send(endless(), { class: 'bulk' })
  },
  async stop() {
    isSending = false
  },
  /** Requests at even times, each in ms until its answer. */
  async ask({ everyMs, seconds }: { everyMs: number; seconds: number }): Promise<readonly number[]> {
    const asked: Promise<number>[] = []
    for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; await sleep(everyMs)) asked.push(askOnce())
    return Promise.all(asked)
  },
  async streams() {
    return session?.stats().streams.length
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

async function askOnce(): Promise<number> {
  const startMs = performance.now()
  await session?.request('echo', QUESTION)
  return performance.now() - startMs
}

async function* endless(): AsyncGenerator<Uint8Array> {
  while (isSending) yield* pattern(PATTERN_BYTES)
}

async function takeObjects(from: Session): Promise<void> {
  from.handle('echo', async (payload) => payload)
  const { incoming } = from
  for await (const transfer of incoming) {
    for await (const bytes of transfer.stream) received += bytes.byteLength
    transfer.complete()
  }
}

async function* asyncOf<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values
}
