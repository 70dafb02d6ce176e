import { randomFillSync } from 'node:crypto'
import type { AmstTransport, SessionStats } from '@dwcp/amst'
import type { Clock, LinkSample, Logger, NetworkMode, NodeId } from '@dwcp/interface'
import { ModeDetector } from './mode-detector.js'

/** What is known of the link to one peer. */
export interface LinkStatus {
  readonly peer: NodeId
  readonly up: boolean
  readonly mode: NetworkMode
  /** Whether the configuration said so, rather than a measurement. */
  readonly forced: boolean
  /** Smoothed over the last 10 samples; undefined while unmeasured. */
  readonly rttMs?: number
  readonly bytesPerSecond?: number
  readonly samples: number
  readonly security?: SessionStats['security']
  readonly streams?: number
}

/** The links of one node and what they were measured to be. */
export interface Links extends Disposable {
  observe(sample: LinkSample): void
  mode(peer: NodeId): NetworkMode
  status(): readonly LinkStatus[]
  /** Tells sessions again what their paths are taken for. */
  steer(): void
  /** From now on links are named as peers come: by their traffic, and by probes while there is none. */
  follow(transport: AmstTransport): void
}

const PROBE_CHANNEL = 'probe'
/** Long enough for a slow start to be over on a short path, short enough to bother nobody. */
const PROBE_MS = 30
const PROBE_FIRST_BYTES = 1 << 20
const PROBE_MOST_BYTES = 32 << 20

export function createLinks(parts: {
  readonly forced: NetworkMode | undefined
  /** Whether sessions are to do what v1 does, whatever their links are. */
  readonly isV1: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly onChange: (peer: NodeId) => void
}): Links {
  const { forced, isV1, clock, logger, onChange } = parts
  const detectors = new Map<NodeId, ModeDetector>()
  const up = new Set<NodeId>()
  const probing = new Set<NodeId>()
  const closing = new AbortController()
  let followed: AmstTransport | undefined
  const detectorOf = (peer: NodeId): ModeDetector => {
    const detector = detectors.get(peer) ?? new ModeDetector()
    detectors.set(peer, detector)
    return detector
  }
  const isUnsure = (peer: NodeId): boolean => !detectorOf(peer).decided || detectorOf(peer).isDoubtful
  const mode = (peer: NodeId): NetworkMode => forced ?? detectors.get(peer)?.mode ?? 'hybrid'
  const steerOne = (peer: NodeId): void => followed?.setMode(peer, isV1() ? 'datacenter' : mode(peer))

  const observe = (sample: LinkSample): void => {
    const before = mode(sample.link)
    detectorOf(sample.link).observe(sample)
    if (followed !== undefined && isUnsure(sample.link)) void measure(followed, sample.link)
    if (mode(sample.link) === before) return
    logger.info({ peer: sample.link, mode: mode(sample.link), before, ...detectorOf(sample.link).measure }, 'the link changed its class')
    steerOne(sample.link)
    onChange(sample.link)
  }

  const probe = async (transport: AmstTransport, peer: NodeId, lengthBytes: number): Promise<number> => {
    const bytes = randomFillSync(new Uint8Array(lengthBytes))
    const startedMs = clock.monotonicMs()
    await transport.sendObject(peer, PROBE_CHANNEL, bytes, { class: 'scavenger', signal: closing.signal })
    const tookMs = clock.monotonicMs() - startedMs
    const stats = transport.sessionStats(peer)
    const rttMs = stats?.rttMs ?? 0
    // The first byte and the receipt each cost half a round trip that is not the path's bandwidth.
    const goodput = (lengthBytes * 1000) / Math.max(0.001, tookMs - rttMs)
    // A busy host carries less than the path does; the kernel saw what one stream's burst was delivered at.
    const burst = Math.max(0, ...(stats?.streams ?? []).map((stream) => stream.deliveryRateBytesPerSecond ?? 0))
    observe({
      link: peer,
      timeMs: clock.monotonicMs(),
      deliveredBytesPerSecond: Math.max(goodput, burst),
      rttMs,
      minRttMs: stats?.minRttMs ?? rttMs,
      lossRatio: stats?.retransmittedRatio ?? 0,
      limitedBy: tookMs - rttMs >= PROBE_MS || lengthBytes >= PROBE_MOST_BYTES ? 'network' : 'sender',
    })
    return tookMs - rttMs
  }

  /** Until the link is surely named, or turns out to carry other traffic, which names it in time. */
  const measure = async (transport: AmstTransport, peer: NodeId): Promise<void> => {
    if (forced !== undefined || probing.has(peer)) return
    probing.add(peer)
    try {
      let lengthBytes = PROBE_FIRST_BYTES
      while (isUnsure(peer) && up.has(peer) && (transport.sessionStats(peer)?.objectsOpen ?? 0) === 0) {
        const tookMs = await probe(transport, peer, lengthBytes)
        if (tookMs < PROBE_MS) lengthBytes = Math.min(PROBE_MOST_BYTES, lengthBytes * 4)
      }
      probing.delete(peer)
    } catch (error) {
      // A client takes no probes, and is not asked again before it comes back; a peer may have left.
      logger.debug({ peer, error }, 'a probe came to nothing')
    }
  }

  const watch = async (transport: AmstTransport): Promise<void> => {
    for await (const change of transport.peers({ signal: closing.signal })) {
      const peer = change.peer.nodeId
      if (change.kind === 'path') continue
      probing.delete(peer)
      if (change.kind === 'down') up.delete(peer)
      else {
        up.add(peer)
        steerOne(peer)
        void measure(transport, peer)
      }
      onChange(peer)
    }
  }

  return {
    observe,
    mode,
    steer: () => up.forEach(steerOne),
    follow(transport) {
      followed = transport
      const receiver = transport.receiveObject(PROBE_CHANNEL, async (_from, object) => {
        for await (const _ of object.stream) closing.signal.throwIfAborted()
      })
      closing.signal.addEventListener('abort', () => receiver[Symbol.dispose](), { once: true })
      watch(transport).catch((error: unknown) => closing.signal.aborted || logger.error({ error }, 'links are no longer followed'))
    },
    status: () =>
      [...new Set([...up, ...detectors.keys()])].map((peer) => {
        const stats = followed?.sessionStats(peer)
        const measured = detectorOf(peer).measure
        return {
          peer,
          up: up.has(peer),
          mode: mode(peer),
          forced: forced !== undefined,
          samples: measured.samples,
          ...(measured.rttMs === undefined ? {} : { rttMs: measured.rttMs }),
          ...(measured.bytesPerSecond === undefined ? {} : { bytesPerSecond: measured.bytesPerSecond }),
          ...(stats === undefined ? {} : { security: stats.security, streams: stats.streams.length }),
        }
      }),
    [Symbol.dispose]: () => closing.abort(new Error('the node is closing')),
  }
}
