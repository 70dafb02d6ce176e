import type { Socket } from 'node:net'
import { amstError, asError } from './errors.js'
import { decodeHello, type Hello, helloBytes } from './hello.js'

/** The other end's hello, and what came after it. */
export interface Greeting {
  readonly hello: Hello
  readonly rest: Buffer
}

/**
 * Reads one hello and pauses the socket. Holds at most one hello.
 * @throws `ERR_AMST_HANDSHAKE` and the codes of {@link helloBytes}; the socket's own error where it broke.
 */
export function readGreeting(socket: Socket, signal?: AbortSignal): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    const settle = (then: () => void): void => {
      socket.off('data', take).off('error', reject_).off('close', gone)
      signal?.removeEventListener('abort', abort)
      socket.pause()
      then()
    }
    const reject_ = (error: unknown): void => settle(() => reject(error))
    const gone = (): void =>
      reject_(amstError('ERR_AMST_HANDSHAKE', 'the other end closed the connection before its hello', { retryable: true }))
    const abort = (): void => reject_(asError(signal?.reason))
    const take = (bytes: Buffer): void => {
      received = received.byteLength === 0 ? bytes : Buffer.concat([received, bytes])
      try {
        const lengthBytes = helloBytes(received)
        if (lengthBytes === undefined || received.byteLength < lengthBytes) return
        const hello = decodeHello(received.subarray(0, lengthBytes))
        settle(() => resolve({ hello, rest: received.subarray(lengthBytes) }))
      } catch (error) {
        reject_(error)
      }
    }
    if (signal?.aborted) return abort()
    if (socket.destroyed) return gone()
    socket.on('data', take).on('error', reject_).on('close', gone)
    signal?.addEventListener('abort', abort, { once: true })
    socket.resume()
  })
}
