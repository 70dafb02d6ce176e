import type { NodeId } from '@dwcp/interface'
import type { DatagramStats } from './datagram/path.js'
import type { SessionMode } from './mode.js'
import type { Security } from './security.js'

/** One TCP connection. What this host cannot measure is undefined. */
export interface StreamStats {
  readonly index: number
  /** The address of the other end. */
  readonly remoteHost: string
  /** Written to the socket and read from it, frame headers included. */
  readonly sentBytes: number
  readonly receivedBytes: number
  /** By the kernel where it tells; else by the last ping, which waits behind what the stream carries. */
  readonly rttMs: number | undefined
  readonly minRttMs: number | undefined
  readonly rttSource: 'tcp-info' | 'ping' | undefined
  readonly cwndBytes: number | undefined
  readonly deliveryRateBytesPerSecond: number | undefined
  /** Sent again by TCP as a share of all it sent, 0..1. */
  readonly retransmittedRatio: number | undefined
  readonly retransmittedBytes: number | undefined
  /** Given to the kernel and not yet on the wire. */
  readonly notSentBytes: number | undefined
  readonly congestionControl: string | undefined
}

/** All measured. */
export interface SessionStats {
  readonly peer: NodeId
  readonly security: Security
  /** Of the frames, as both ends agreed. */
  readonly wireVersion: number
  /** What it was told to take its path for. */
  readonly mode: SessionMode
  readonly ageMs: number
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Of the stream with the smallest. */
  readonly rttMs: number | undefined
  readonly minRttMs: number | undefined
  /** The sum over the streams. */
  readonly cwndBytes: number | undefined
  readonly deliveryRateBytesPerSecond: number | undefined
  readonly retransmittedRatio: number | undefined
  readonly objectsSent: number
  readonly objectsReceived: number
  readonly objectsOpen: number
  /** Object bytes sent again, for damage or after a stream died. */
  readonly resentBytes: number
  readonly corruptChunks: number
  readonly streamsLost: number
  /** Messages and control frames waiting or not yet acknowledged. */
  readonly queuedBytes: number
  /** The least of what limits what is sent: its own, what it shares, what the peer asked for, the caps of all classes. */
  readonly rateBytesPerSecond: number | undefined
  /** For how long chunks waited for that, or for the cap of their class, and for nothing else. */
  readonly rateHeldMs: number
  /** Undefined where they are not offered. */
  readonly datagrams: DatagramStats | undefined
  readonly streams: readonly StreamStats[]
}
