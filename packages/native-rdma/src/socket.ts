import type { Socket } from 'node:net'
import { addonWith } from './addon.js'
import type { Backend } from './backend.js'

export type { Backend } from './backend.js'

/**
 * What the kernel knows about a TCP connection, as it sends (Linux `TCP_INFO`, 4.19 or newer). Totals count from the connection's
 * beginning.
 * @public
 */
export interface TcpInfo {
  /** Smoothed. */
  readonly rttMs: number
  readonly rttVarMs: number
  /** The least over the kernel's window (5 minutes by default). */
  readonly minRttMs: number
  readonly cwndBytes: number
  /** Bytes of payload in a full segment. */
  readonly mss: number
  /** The latest sample of goodput; a lower bound when {@link deliveryRateAppLimited}. */
  readonly deliveryRateBytesPerSecond: number
  readonly deliveryRateAppLimited: boolean
  readonly bytesAcked: number
  readonly bytesRetransmitted: number
  /** Retransmissions included. */
  readonly bytesSent: number
  /** Segments held for lost now. */
  readonly lost: number
  /** Segments sent again, in total. */
  readonly retransmits: number
  /** `Infinity` where nothing limits it. */
  readonly pacingRateBytesPerSecond: number
  readonly unackedSegments: number
  readonly notSentBytes: number
  /** Time with something to send, and the part of it that waited for the receiver's window or our send buffer. */
  readonly busyMs: number
  readonly rwndLimitedMs: number
  readonly sndbufLimitedMs: number
  /** Segments that have arrived in whatever order, modulo 2^32: unlike {@link TcpInfo.bytesAcked} it does not wait for one that was lost. */
  readonly deliveredSegments: number
}

const MICROSECONDS_PER_MS = 1_000

let chosen: ReturnType<typeof addonWith> | undefined

function sockets(): ReturnType<typeof addonWith> {
  chosen ??= addonWith('socket')
  return chosen
}

/**
 * Whether socket options by descriptor work here. There is no JavaScript twin: `js` means that each function answers `false` or
 * `undefined`.
 * @public
 */
export function socketBackend(): Backend {
  return sockets().backend
}

/**
 * The descriptor of a connected socket (`node:net` or `node:tls`), or undefined before 'connect' and after 'close'. It belongs to
 * the socket: once that closes, the number may name another file, so ask again for each use.
 * @public
 */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return undefined
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

/**
 * Sets `TCP_CONGESTION` (`bbr`, `cubic`, …), also on a live connection.
 * @returns false where the kernel has no such algorithm or does not allow it.
 * @public
 */
export function setCongestionControl(fd: number, name: string): boolean {
  return sockets().addon?.setCongestionControl(fd, name) ?? false
}

/**
 * The congestion control of a TCP socket, such as `bbr`; undefined where it cannot be read.
 *
 * @public
 */
export function getCongestionControl(fd: number): string | undefined {
  return sockets().addon?.getCongestionControl(fd) || undefined
}

/**
 * Sets `SO_MAX_PACING_RATE`: the kernel spreads what is sent. `Infinity` removes the limit.
 * @public
 */
export function setMaxPacingRate(fd: number, bytesPerSecond: number): boolean {
  if (!(bytesPerSecond > 0)) throw new RangeError(`bytesPerSecond must be above 0, not ${bytesPerSecond}; Infinity removes the limit`)
  return sockets().addon?.setMaxPacingRate(fd, bytesPerSecond) ?? false
}

/**
 * Sets `TCP_NOTSENT_LOWAT`: the socket counts as writable only while less than `bytes` wait unsent, which keeps late decisions late.
 * @public
 */
export function setNotSentLowWater(fd: number, bytes: number): boolean {
  if (!(bytes >= 0)) throw new RangeError(`bytes must not be negative, not ${bytes}`)
  return sockets().addon?.setNotSentLowWater(fd, bytes) ?? false
}

/**
 * The kernel's TCP_INFO of a socket; undefined where it cannot be read.
 *
 * @public
 */
export function tcpInfo(fd: number): TcpInfo | undefined {
  const fields = sockets().addon?.tcpInfo(fd)
  if (fields === undefined) return undefined
  // In the order of native/socket.cc.
  const [
    rtt = 0,
    rttVar = 0,
    minRtt = 0,
    cwndBytes = 0,
    mss = 0,
    deliveryRateBytesPerSecond = 0,
    appLimited = 0,
    bytesAcked = 0,
    bytesRetransmitted = 0,
    bytesSent = 0,
    lost = 0,
    retransmits = 0,
    pacingRateBytesPerSecond = 0,
    unackedSegments = 0,
    notSentBytes = 0,
    busy = 0,
    rwndLimited = 0,
    sndbufLimited = 0,
    deliveredSegments = 0,
  ] = fields
  return {
    rttMs: rtt / MICROSECONDS_PER_MS,
    rttVarMs: rttVar / MICROSECONDS_PER_MS,
    minRttMs: minRtt / MICROSECONDS_PER_MS,
    cwndBytes,
    mss,
    deliveryRateBytesPerSecond,
    deliveryRateAppLimited: appLimited !== 0,
    bytesAcked,
    bytesRetransmitted,
    bytesSent,
    lost,
    retransmits,
    pacingRateBytesPerSecond,
    unackedSegments,
    notSentBytes,
    busyMs: busy / MICROSECONDS_PER_MS,
    rwndLimitedMs: rwndLimited / MICROSECONDS_PER_MS,
    sndbufLimitedMs: sndbufLimited / MICROSECONDS_PER_MS,
    deliveredSegments,
  }
}
