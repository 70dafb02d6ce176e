import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { Address, Clock } from '@dwcp/interface'
import { amstError, asError } from './errors.js'
import { mismatch } from './hello.js'
import { type SecurityOptions, TLS_VERSIONS, tlsOptions, vouchFor } from './security.js'

/** What the dialling end proves and asks for; neither: plaintext. `'anonymous'`: TLS that proves nothing of either end. */
export interface DialSecurity extends Pick<SecurityOptions, 'trust'> {
  readonly tls?: SecurityOptions['tls'] | 'anonymous'
  readonly clock?: Clock
}

/**
 * A connection, over TLS where credentials are given, to whom the trust store trusts; nothing of AMST has been said on it.
 *
 * @param connected - Is told of it before TLS begins.
 * @throws `ERR_AMST_UNREACHABLE`, `ERR_AMST_TLS`, `ERR_AMST_UNTRUSTED`, `ERR_AMST_SECURITY_MISMATCH`, or the signal's reason.
 */
export function dial(address: Address, security: DialSecurity, signal: AbortSignal, connected?: (socket: Socket) => void): Promise<Socket> {
  const { tls } = security
  const where = `${address.host}:${address.port}`
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(asError(signal.reason))
    const { host, port } = address
    // Peers are named by their certificates (identify), not by the host that was dialled.
    const socket = tls ? connectTls({ host, port, ...callerOptions(tls) }) : connectTcp({ host, port })
    let isConnected = false
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', abort)
      socket.off('error', refused).off('close', closed)
      if (!error) return resolve(socket)
      socket.destroy()
      reject(error)
    }
    const abort = (): void => settle(asError(signal.reason))
    const closed = (): void => settle(amstError('ERR_AMST_UNREACHABLE', `${where} closed the connection at once`, { retryable: true }))
    const refused = (cause: Error): void => {
      if (isTlsFailure(cause) || (isConnected && tls && !isNetworkFailure(cause))) return settle(tlsFailure(where, cause))
      settle(amstError('ERR_AMST_UNREACHABLE', `${where} cannot be reached: ${cause.message}`, { retryable: true, cause }))
    }
    signal.addEventListener('abort', abort, { once: true })
    // The last listener for errors: one that comes when nobody waits must not end the process.
    socket.on('error', () => undefined)
    socket.on('error', refused).on('close', closed)
    socket.once('connect', () => {
      isConnected = true
      socket.setNoDelay(true)
      // TLS goes first.
      if (connected) setImmediate(connected, socket)
      if (!tls) settle()
    })
    socket.once('secureConnect', () => {
      try {
        vouchFor(socket, security)
        settle()
      } catch (error) {
        settle(asError(error))
      }
    })
  })
}

const callerOptions = (tls: NonNullable<DialSecurity['tls']>): ConnectionOptions =>
  tls === 'anonymous' ? { ...TLS_VERSIONS, rejectUnauthorized: false } : { ...tlsOptions(tls), checkServerIdentity: () => undefined }

/** A number of errno, and none that stands for a broken handshake. */
const isNetworkFailure = (error: Error): boolean =>
  'code' in error && typeof error.code === 'string' && /^E(?!PROTO$)[A-Z]+$/.test(error.code)

const isTlsFailure = (error: Error): boolean => 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_SSL')

/** With TLS 1.3 a listener's refusal of our certificate arrives after the handshake, while the hello is awaited. */
export function tlsFailure(where: string, cause: Error): Error {
  const code = 'code' in cause ? cause.code : undefined
  if (
    code === 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' ||
    code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
    code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
  ) {
    return mismatch(`${where} speaks plaintext and this end TLS 1.3`)
  }
  return amstError('ERR_AMST_TLS', `TLS with ${where} broke: ${cause.message}: check both certificates, their authorities and dates`, {
    cause,
  })
}
