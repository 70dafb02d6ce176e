import { createHash } from 'node:crypto'
import type { AmstTransport } from '@dwcp/amst'
import { type Clock, type IncomingObject, type Logger, type NodeId, type Principal, silentLogger, systemClock } from '@dwcp/interface'
import { enroll, hasAuthority, installBundle, openAuthority, openIdentity, openTrustStore, requestedBy } from '@dwcp/security'

/** Where a node keeps who it is and whom it trusts, and whom it asks about both. */
export interface MembershipOptions {
  /** Of its identity and trust store, and on the operator's host of the authority. */
  readonly directory: string
  readonly transport: AmstTransport
  /** Of certificates that are given to others. @defaultValue 7 days */
  readonly certificateLifetimeMs?: number
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
}

const STATE_CHANNEL = 'trust-state'
const STATEMENTS_CHANNEL = 'trust-statements'
const REQUEST_CHANNEL = 'certificate-request'
const BUNDLE_CHANNEL = 'certificate'
/** What a bundle has at most. */
const STATEMENTS_BYTES_MAX = 8 << 20
const STATEMENTS_MAX = 20_000
const REQUEST_BYTES_MAX = 4096
/** For one object to be there, so that who sends slowly does not keep others waiting for longer. */
const ARRIVAL_MS = 30_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** After a first refusal, which may be that of a session that just ends; then twice as long each time. */
const RETRY_MS = 2000
/** For how long what is known is taken to be the same, where nobody has said otherwise. */
const STATE_MS = 1000
const LIFETIME_MS = 7 * 24 * HOUR_MS
/** Of the time between when a certificate should be renewed and its end: so that nodes that were certified together do not ask together. */
const JITTER = 0.1

/**
 * Keeps the membership of a node up to date over its sessions, by what the cluster's authority has signed:
 * - members and revocations that a peer knows and this node does not, and the other way round;
 * - the node's own certificate, which it renews once a third of its life is left, from the peer that has the authority.
 *
 * Where the authority is in `directory`, members are given their next certificates. What peers say is worth what is signed in it. Bytes:
 * docs/security.md.
 *
 * @throws as `openIdentity` and `openTrustStore` of @dwcp/security.
 */
export async function keepMembership({
  directory,
  transport,
  certificateLifetimeMs = LIFETIME_MS,
  clock = systemClock,
  logger = silentLogger,
}: MembershipOptions): Promise<AsyncDisposable> {
  const identity = await openIdentity(directory, { clock })
  const trust = await openTrustStore(directory, { clock, logger })
  const closing = new AbortController()
  const { signal } = closing
  const up = new Set<NodeId>()
  /** The state that each peer was sent since it came: a peer that asks again and again is told once. */
  const told = new Map<NodeId, string>()
  /** What of both ends was found to differ. */
  const compared = new Map<NodeId, string>()
  let turn: Promise<unknown> = Promise.resolve()
  let state: { readonly digest: string; readonly atMs: number } | undefined
  let met: () => void = () => undefined
  let renewal: { readonly peer: NodeId; readonly resolve: (bundle: string) => void } | undefined

  /** One at a time: no more than one is in memory, and files change in an order. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work)
    turn = done.catch(() => undefined)
    return done
  }
  const stateOf = (): string => {
    // What costs a sort of thousands is not done for each message that somebody sends.
    if (state === undefined || clock.monotonicMs() - state.atMs > STATE_MS) {
      const text = [...trust.statements()].sort().join('\n')
      state = { digest: createHash('sha256').update(text).digest('hex'), atMs: clock.monotonicMs() }
    }
    return state.digest
  }
  const announce = (peers: Iterable<NodeId>): void => {
    const digest = Buffer.from(stateOf(), 'hex')
    for (const peer of peers) transport.send(peer, STATE_CHANNEL, digest)
  }
  const tell = async (peer: NodeId): Promise<void> => {
    const digest = stateOf()
    if (told.get(peer) === digest) return
    told.set(peer, digest)
    await transport.sendObject(peer, STATEMENTS_CHANNEL, Buffer.from(trust.statements().join('\n')), { class: 'sync', signal })
  }
  const hear = async (from: Principal, object: IncomingObject): Promise<void> => {
    const text = await textOf(object, STATEMENTS_BYTES_MAX)
    const statements = text === '' ? [] : text.split('\n')
    if (statements.length > STATEMENTS_MAX) throw new RangeError(`${statements.length} statements are more than ${STATEMENTS_MAX}`)
    const before = stateOf()
    const contradicting = await trust.accept(statements)
    state = undefined
    for (const refused of contradicting) logger.debug({ peer: from.nodeId, error: refused }, 'a statement contradicts what is known')
    if (stateOf() !== before) announce(up)
  }

  /** For a peer whose own certificate it is, and which is due: what it asks costs the authority a certificate each half of their life at most. */
  const certify = async (from: Principal, object: IncomingObject): Promise<void> => {
    if (!hasAuthority(directory)) throw new TypeError('the authority is not here')
    const request = await textOf(object, REQUEST_BYTES_MAX)
    const { nodeId, keyId } = await requestedBy(request)
    if (from.keyId === undefined || nodeId !== from.nodeId || keyId !== from.keyId) throw new TypeError('that is not your own name and key')
    const issued = (await openAuthority(directory, { clock })).issued().filter((one) => one.keyId === keyId)
    const untilMs = Math.max(0, ...issued.map(({ notAfterMs }) => notAfterMs))
    if (untilMs - clock.nowMs() > certificateLifetimeMs / 2) throw new TypeError('your certificate holds for long enough')
    const { bundle } = await enroll(directory, request, { lifetimeMs: certificateLifetimeMs, clock })
    logger.info({ peer: nodeId }, 'a member has its next certificate')
    // Not waited for: the peer may have asked on a session that is gone.
    transport.sendObject(nodeId, BUNDLE_CHANNEL, Buffer.from(bundle), { class: 'sync', signal }).catch(() => undefined)
  }
  const take = async (from: Principal, object: IncomingObject): Promise<void> => {
    if (renewal?.peer !== from.nodeId) throw new TypeError('nobody asked for that')
    renewal.resolve(await textOf(object, STATEMENTS_BYTES_MAX))
  }

  const askedFrom = async (peer: NodeId): Promise<string> => {
    const arrived = new Promise<string>((resolve) => {
      renewal = { peer, resolve }
    })
    const late = AbortSignal.any([signal, AbortSignal.timeout(ARRIVAL_MS)])
    try {
      await transport.sendObject(peer, REQUEST_CHANNEL, Buffer.from(await identity.request()), { class: 'sync', signal: late })
      return await Promise.race([arrived, aborted(late)])
    } finally {
      renewal = undefined
    }
  }
  /** @throws where nobody gave one, with what each said. */
  const renew = async (): Promise<void> => {
    if (hasAuthority(directory)) {
      const { bundle } = await enroll(directory, await identity.request(), { lifetimeMs: certificateLifetimeMs, clock })
      await installBundle(directory, bundle, { clock })
      return
    }
    const reasons: unknown[] = []
    for (const peer of up) {
      try {
        await installBundle(directory, await askedFrom(peer), { clock })
        logger.info({ peer, notAfterMs: identity.certificate()?.notAfterMs }, 'the certificate was renewed')
        return
      } catch (error) {
        reasons.push(error)
      }
    }
    throw new AggregateError(reasons, 'none of the peers has renewed it')
  }
  const keepCertificate = async (): Promise<void> => {
    let waitMs = MINUTE_MS
    let retryMs = RETRY_MS
    const early = Math.random() * JITTER
    while (!signal.aborted) {
      // Nobody to ask is no refusal.
      if (up.size === 0 && !hasAuthority(directory)) await unless(signal, (resolve) => (met = resolve))
      if (signal.aborted) return
      const installed = identity.certificate()
      if (installed !== undefined && clock.nowMs() >= installed.renewAtMs + early * (installed.notAfterMs - installed.renewAtMs)) {
        try {
          await renew()
          waitMs = MINUTE_MS
          retryMs = RETRY_MS
        } catch (error) {
          if (signal.aborted) return
          logger.warn({ error, notAfterMs: installed.notAfterMs }, 'the certificate was not renewed, and is asked for again')
          waitMs = retryMs
          retryMs = Math.min(HOUR_MS, retryMs * 2)
        }
      }
      await unless(signal, (resolve) => clock.after(waitMs, resolve))
    }
  }

  const report = (error: unknown): void => {
    if (!signal.aborted) logger.warn({ error }, 'what the cluster knows of its members was not exchanged')
  }
  const followPeers = async (): Promise<void> => {
    for await (const { kind, peer } of transport.peers({ signal })) {
      if (kind === 'path') continue
      told.delete(peer.nodeId)
      compared.delete(peer.nodeId)
      if (kind === 'down') up.delete(peer.nodeId)
      else {
        up.add(peer.nodeId)
        met()
        announce([peer.nodeId])
      }
    }
  }
  const changes = trust.changes()[Symbol.asyncIterator]()
  const followTrust = async (): Promise<void> => {
    for (let step = await changes.next(); !step.done; step = await changes.next()) {
      state = undefined
      announce(up)
    }
  }
  const receivers = [
    transport.receive(STATE_CHANNEL, ({ nodeId }, digest) => {
      const [mine, theirs] = [stateOf(), Buffer.from(digest).toString('hex')]
      if (mine === theirs || compared.get(nodeId) === `${mine} ${theirs}`) return
      compared.set(nodeId, `${mine} ${theirs}`)
      // Its news may be none of this end's: it has to see the difference too.
      announce([nodeId])
      tell(nodeId).catch(report)
    }),
    transport.receiveObject(STATEMENTS_CHANNEL, (from, object) => inTurn(() => hear(from, object))),
    transport.receiveObject(REQUEST_CHANNEL, (from, object) => inTurn(() => certify(from, object))),
    transport.receiveObject(BUNDLE_CHANNEL, take),
  ]
  const working = [followPeers(), followTrust(), keepCertificate()].map((work) => work.catch(report))
  return {
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the node is closing'))
      for (const receiver of receivers) receiver[Symbol.dispose]()
      await changes.return?.()
      await Promise.all([...working, turn])
      trust[Symbol.dispose]()
      identity[Symbol.dispose]()
    },
  }
}

/** @throws RangeError past the bound, a TimeoutError where it takes too long, what broke it. */
async function textOf(object: IncomingObject, mostBytes: number): Promise<string> {
  const late = aborted(AbortSignal.timeout(ARRIVAL_MS))
  const pieces: Uint8Array[] = []
  let lengthBytes = 0
  const parts = object.stream[Symbol.asyncIterator]()
  try {
    for (let step = await Promise.race([parts.next(), late]); !step.done; step = await Promise.race([parts.next(), late])) {
      lengthBytes += step.value.byteLength
      if (lengthBytes > mostBytes) throw new RangeError(`more than ${mostBytes} bytes`)
      // A piece holds until the next is asked for.
      pieces.push(Uint8Array.from(step.value))
    }
  } finally {
    await parts.return?.()
  }
  return Buffer.concat(pieces).toString()
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  throw signal.reason
}

/** Waits for `until` to resolve, or for the signal. */
function unless(signal: AbortSignal, until: (resolve: () => void) => unknown): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    until(done)
  })
}
