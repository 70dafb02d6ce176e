import type { SessionStats, StreamStats } from './stats.js'

type Sum = Pick<
  SessionStats,
  'sentBytes' | 'receivedBytes' | 'rttMs' | 'minRttMs' | 'cwndBytes' | 'deliveryRateBytesPerSecond' | 'retransmittedRatio'
>

/** A session's figures from its streams'; `past` counts the streams that are gone. */
export function sumStreams(streams: readonly StreamStats[], past: { readonly sent: number; readonly received: number }): Sum {
  const known = (of: (stream: StreamStats) => number | undefined): number[] => streams.flatMap((stream) => of(stream) ?? [])
  const total = (values: readonly number[]): number | undefined =>
    values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
  const least = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : Math.min(...values))
  const sentBytes = total(known((stream) => stream.sentBytes)) ?? 0
  const retransmitted = total(known((stream) => stream.retransmittedBytes))
  return {
    sentBytes: sentBytes + past.sent,
    receivedBytes: (total(known((stream) => stream.receivedBytes)) ?? 0) + past.received,
    rttMs: least(known((stream) => stream.rttMs)),
    minRttMs: least(known((stream) => stream.minRttMs)),
    cwndBytes: total(known((stream) => stream.cwndBytes)),
    deliveryRateBytesPerSecond: total(known((stream) => stream.deliveryRateBytesPerSecond)),
    retransmittedRatio: retransmitted === undefined || sentBytes === 0 ? undefined : retransmitted / sentBytes,
  }
}
