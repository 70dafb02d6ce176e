import type { Address, Clock, Logger, NodeId, Principal } from '@dwcp/interface'
import type { Enroll } from './enrollment.js'
import type { AmstLimits } from './limits.js'
import type { RateOptions } from './rate-limit.js'
import type { SecurityOptions } from './security.js'
import type { Session } from './session.js'

/** Where to listen, as whom, whom to let in, and within which bounds. */
export interface ListenOptions extends SecurityOptions, RateOptions {
  /** @defaultValue 127.0.0.1 */
  readonly host?: string
  /** @defaultValue 0: any free one */
  readonly port?: number
  /**
   * Others under which this listener is reached, at most 8 IP literals, with a port where it is another: callers open streams to each, for what goes that way
   * beside. They are told once it is known who calls. @defaultValue none
   */
  readonly addresses?: readonly (Address | string)[]
  /** Whom to let in, beyond what TLS proves. @defaultValue everyone */
  readonly accept?: (peer: Principal, remote: Address) => boolean
  /**
   * With `tls`: callers that have no certificate may ask for one, and do nothing else; heard one at a time, within
   * `unauthenticatedConnections` and `handshakeTimeoutMs`. @defaultValue they are refused
   */
  readonly enroll?: Enroll
  /** Offers datagrams over UDP, under the same port number where that is free. @defaultValue false */
  readonly datagrams?: boolean
  readonly limits?: Partial<AmstLimits>
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
}

/** One listening port. Its sessions, in the order in which they came, for one reader. */
export interface Server extends AsyncIterable<Session>, AsyncDisposable {
  readonly nodeId: NodeId
  readonly address: Address
  /** What all sessions together send at most from now on, in bytes per second. `Infinity`: no limit. @throws RangeError below 1. */
  setRate(bytesPerSecond: number): void
  /** Takes nobody more and closes every session. */
  close(): Promise<void>
  destroy(reason?: Error): void
}
