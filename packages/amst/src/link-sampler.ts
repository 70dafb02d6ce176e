import type { Clock, LinkSample, NodeId, RateAdvisor } from '@dwcp/interface'
import type { TcpInfo } from '@dwcp/native-rdma/socket'
import type { TcpSession } from './session.js'

/** Shorter spans are mostly the clock's grain. */
const LEAST_SPAN_MS = 20

/**
 * Measures one session from the kernel's counters, between two calls. Without TCP_INFO nothing is reported: loss and
 * what limits the sender are then not known, and a guess would pass for a measurement.
 */
export class LinkSampler {
  readonly #link: NodeId
  readonly #session: TcpSession
  readonly #clock: Clock
  readonly #advisor: Pick<RateAdvisor, 'observe'>
  #lastMs: number
  #last: ReadonlyMap<number, TcpInfo>
  #lastHeldMs = 0

  constructor(link: NodeId, session: TcpSession, clock: Clock, advisor: Pick<RateAdvisor, 'observe'>) {
    this.#link = link
    this.#session = session
    this.#clock = clock
    this.#advisor = advisor
    this.#lastMs = clock.monotonicMs()
    this.#last = session.totals()
  }

  sample(): void {
    const timeMs = this.#clock.monotonicMs()
    const spanMs = timeMs - this.#lastMs
    if (spanMs < LEAST_SPAN_MS) return
    const now = this.#session.totals()
    const before = this.#last
    this.#last = now
    this.#lastMs = timeMs
    const { rateHeldMs } = this.#session.stats()
    const heldMs = rateHeldMs - this.#lastHeldMs
    this.#lastHeldMs = rateHeldMs
    if (now.size === 0) return
    let [acked, sent, resent, cwndBytes, rttMs, minRttMs] = [0, 0, 0, 0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    const limits = { busyMs: 0, receiverMs: 0, senderMs: 0 }
    for (const [stream, info] of now) {
      const past = before.get(stream)
      acked += info.bytesAcked - (past?.bytesAcked ?? 0)
      sent += info.bytesSent - (past?.bytesSent ?? 0)
      resent += info.bytesRetransmitted - (past?.bytesRetransmitted ?? 0)
      cwndBytes += info.cwndBytes
      rttMs = Math.min(rttMs, info.rttMs)
      minRttMs = Math.min(minRttMs, info.minRttMs)
      // The busiest stream speaks: others may idle because it takes the chunks.
      const busyMs = info.busyMs - (past?.busyMs ?? 0)
      if (busyMs < limits.busyMs) continue
      limits.busyMs = busyMs
      limits.receiverMs = info.rwndLimitedMs - (past?.rwndLimitedMs ?? 0)
      limits.senderMs = info.sndbufLimitedMs - (past?.sndbufLimitedMs ?? 0)
    }
    this.#advisor.observe({
      link: this.#link,
      timeMs,
      deliveredBytesPerSecond: (acked * 1000) / spanMs,
      rttMs,
      minRttMs,
      lossRatio: sent > 0 ? Math.min(1, resent / sent) : 0,
      cwndBytes,
      limitedBy: heldMs > spanMs / 2 ? 'pacing' : limitOf(spanMs, limits),
    })
  }
}

/** 'network' only when TCP had something to send most of the time and neither end's buffers held it back. */
function limitOf(
  spanMs: number,
  { busyMs, receiverMs, senderMs }: { readonly busyMs: number; readonly receiverMs: number; readonly senderMs: number },
): LinkSample['limitedBy'] {
  if (busyMs < spanMs * 0.8) return 'sender'
  if (receiverMs > busyMs / 5) return 'receiver'
  return senderMs > busyMs / 5 ? 'sender' : 'network'
}
