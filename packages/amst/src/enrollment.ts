import type { Socket } from 'node:net'
import { type Address, DwcpError } from '@dwcp/interface'
import { parseAddress } from './address.js'
import { dial } from './dial.js'
import { amstError, codeOf } from './errors.js'
import { readGreeting } from './greeting.js'
import { encodeHello } from './hello.js'
import { greet } from './join.js'
import { chainOf, channelBinding } from './security.js'

/**
 * Answers a caller that has no certificate yet: gives what it needs to have one, or rejects.
 *
 * @param request - What the caller asks with, at most 4 KiB; nothing of it is verified yet.
 * @param binding - Keying material of its connection, which only its two ends know (RFC 9266): what the request must be tied to.
 */
export type Enroll = (request: string, binding: Uint8Array) => Promise<string>

/** For whom a caller without a certificate is talking to. */
export interface EnrollmentOptions {
  /**
   * Says what to ask, or rejects where the listener is not the one that is meant: TLS has not looked at its certificate.
   *
   * @param chain - Certificates (DER) that the listener shows, its own first.
   * @param binding - Keying material of this connection (RFC 9266), to tie the request to it.
   */
  readonly request: (chain: readonly Uint8Array[], binding: Uint8Array) => Promise<string>
  readonly signal?: AbortSignal
}

const ANSWER_BYTES_MAX = 8 << 20
const ANSWER_TIMEOUT_MS = 30_000
/** Each holds a request of at most 4 KiB. */
const WAITING_MAX = 64

/** Hears callers that have no certificate, one after the other: what a flood of them costs is one at a time. */
export class EnrollmentDesk {
  readonly #enroll: Enroll
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(enroll: Enroll) {
    this.#enroll = enroll
  }

  /** @throws what refuses the caller; of the reason it is told the code alone. */
  async answer(socket: Socket): Promise<void> {
    const { hello, rest } = await readGreeting(socket)
    if (hello.kind !== 'enroll' || rest.byteLength > 0) throw amstError('ERR_AMST_TLS', 'without a certificate you can only ask for one')
    if (this.#waiting >= WAITING_MAX) throw amstError('ERR_AMST_LIMIT', `${WAITING_MAX} others are asking`, { retryable: true })
    this.#waiting += 1
    const turn = this.#turn.then(() => (socket.destroyed ? '' : this.#enroll(hello.request, channelBinding(socket))))
    this.#turn = turn.catch(() => undefined)
    const answer = await turn
      .catch((cause: unknown) => {
        const code = codeOf(cause)
        throw new DwcpError(code, `it did not take the request: ${code}`, { cause })
      })
      .finally(() => {
        this.#waiting -= 1
      })
    const bytes = Buffer.from(answer)
    socket.resume()
    socket.end(Buffer.concat([encodeHello({ kind: 'enrolled', lengthBytes: bytes.byteLength }), bytes]))
  }
}

/**
 * Asks a listener for what makes a node a member, over TLS 1.3, without a certificate of its own.
 *
 * @returns what the listener's {@link Enroll} gave; at most 8 MiB, and worth what is signed in it.
 * @throws `ERR_AMST_REJECTED` with the listener's code in `details.peerCode`; `ERR_AMST_TLS` where nobody is enrolled there;
 * `ERR_AMST_UNREACHABLE`, `ERR_AMST_LIMIT`, `ERR_AMST_HANDSHAKE`, `ERR_AMST_SECURITY_MISMATCH`, a `TimeoutError` after 30 s, and
 * what `request` rejects with.
 */
export async function requestEnrollment(address: Address | string, { request, signal }: EnrollmentOptions): Promise<string> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const until = signal ? AbortSignal.any([signal, timeout]) : timeout
  const to = parseAddress(address)
  const security = { tls: 'anonymous' } as const
  const socket = await dial(to, security, until)
  const abort = (): void => void socket.destroy(until.reason)
  until.addEventListener('abort', abort, { once: true })
  try {
    const text = await request(
      chainOf(socket).map(({ raw }) => raw),
      channelBinding(socket),
    )
    const { hello, rest } = await greet(socket, { address: to, security }, { kind: 'enroll', request: text }, until)
    if (hello.kind !== 'enrolled' || hello.lengthBytes > ANSWER_BYTES_MAX)
      throw amstError('ERR_AMST_HANDSHAKE', 'the listener did not answer what was asked')
    return await readText(socket, rest, hello.lengthBytes)
  } finally {
    until.removeEventListener('abort', abort)
    socket.destroy()
  }
}

async function readText(socket: Socket, rest: Buffer, lengthBytes: number): Promise<string> {
  const parts = [rest]
  let missing = lengthBytes - rest.byteLength
  if (missing > 0) {
    for await (const part of socket) {
      parts.push(part)
      missing -= part.byteLength
      if (missing <= 0) break
    }
  }
  if (missing !== 0) throw amstError('ERR_AMST_HANDSHAKE', 'the answer of the listener was cut short, or is too long')
  return Buffer.concat(parts).toString()
}
