import type { Address, Clock, Logger } from '@dwcp/interface'
import type { V1Limits } from './limits.js'
import type { V1Plaintext } from './plaintext.js'
import type { V1Terms, V1Transfer } from './transfer.js'

/**
 * Where to listen for v1 senders, which of them to take, and within which bounds.
 *
 * @public
 */
export interface V1ListenOptions {
  readonly plaintext: V1Plaintext
  /**
   * The addresses and networks that are taken (`10.0.0.7`, `10.0.0.0/24`); everyone else is cut off unread. An address is all that v1 has
   * for a name, and a network that is not wholly trusted can lie about it. @defaultValue loopback
   */
  readonly from?: readonly string[]
  /** @defaultValue 127.0.0.1 */
  readonly host?: string
  /** @defaultValue 0: any free one */
  readonly port?: number
  readonly limits?: Partial<V1Limits>
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
}

/**
 * What a v1 listener did, all measured.
 *
 * @public
 */
export interface V1ServerStats extends V1Terms {
  readonly connections: number
  readonly transfersOpen: number
  readonly transfersStored: number
  readonly transfersFailed: number
  /** Cut off before they had a part in a transfer: from elsewhere, past a limit, silent, or not v1. */
  readonly connectionsRefused: number
  /** From sockets, headers included. */
  readonly receivedBytes: number
}

/**
 * A port for v1 senders. Its transfers, in the order in which they began, for one reader; those that broke before they were read are
 * left out.
 *
 * @public
 */
export interface V1Server extends AsyncIterable<V1Transfer>, AsyncDisposable {
  readonly address: Address
  stats(): V1ServerStats
  /** Takes nobody more, and resolves when the transfers that are being stored are over; those that nobody took are cut off. */
  close(): Promise<void>
  /** Resets every connection. */
  destroy(reason?: Error): void
}
