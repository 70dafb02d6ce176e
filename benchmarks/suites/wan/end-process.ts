import { setTimeout as sleep } from 'node:timers/promises'
import { connect, listen, type Session, type SessionMode } from '@dwcp/amst'
import { createEncoder } from '@dwcp/hde'
import type { TlsCredentials } from '@dwcp/interface'
import { answerParent } from '../../harness/process.js'
import { pattern, patternAt } from '../transport/carrier.js'

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
/** More than any link carries meanwhile. */
const ENDLESS_BYTES = 2 ** 36

const ENCODED_BYTES = 64 * 2 ** 20

let received = 0
let session: Session | undefined
let stopping = new AbortController()

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
    return sentBy(session)
  },
  async setMode({ mode }: { mode: SessionMode }) {
    session?.setMode(mode)
  },
  /** Until `stop`. */
  async sendOn(): Promise<void> {
    if (session === undefined) throw new TypeError('connect first')
    stopping = new AbortController()
    const { signal } = stopping
    await session.send({ lengthBytes: ENDLESS_BYTES, read: patternAt }, { class: 'bulk', signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  },
  /** At the fastest level, object after object, into nothing, until `stop`. */
  async encodeOn(): Promise<void> {
    const bytes = Buffer.concat([...pattern(ENCODED_BYTES / 2), Buffer.alloc(ENCODED_BYTES / 2, 'what is said again packs well; ')])
    const encoder = createEncoder({ level: 'fast' })
    const { signal } = stopping
    while (!signal.aborted) for await (const frame of encoder.encode(bytes)) if (signal.aborted || frame.byteLength === 0) break
  },
  async stop(): Promise<WanSent | undefined> {
    const sent = session && sentBy(session)
    stopping.abort()
    return sent
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
  /** From sockets, parts of chunks too. */
  async arrived() {
    return session?.stats().receivedBytes
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

function sentBy(one: Session): WanSent {
  const { retransmittedRatio = Number.NaN, streams } = one.stats()
  return { retransmittedRatio, streams: streams.length, congestionControl: streams.at(-1)?.congestionControl ?? 'unknown' }
}

async function askOnce(): Promise<number> {
  const startMs = performance.now()
  await session?.request('echo', QUESTION)
  return performance.now() - startMs
}

async function takeObjects(from: Session): Promise<void> {
  from.handle('echo', async (payload) => payload)
  const { incoming } = from
  // Counted as it comes, in whatever order; what is stopped breaks off.
  const write = (_offset: number, bytes: Uint8Array): void => void (received += bytes.byteLength)
  for await (const transfer of incoming) await transfer.saveTo({ write }).catch(() => undefined)
}

async function* asyncOf<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values
}
