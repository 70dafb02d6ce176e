import type { Socket } from 'node:net'
import type { Address } from '@dwcp/interface'
import { streamSecrets } from '@dwcp/native-rdma/stream'
import { type DialSecurity, dial, tlsFailure } from './dial.js'
import { amstError } from './errors.js'
import { type Greeting, readGreeting } from './greeting.js'
import { encodeHello, type Hello, refusal } from './hello.js'
import type { Connection } from './stream.js'

/** A session of this end's, as the listener knows it. */
export interface JoinableSession {
  readonly security: DialSecurity
  readonly secret: Uint8Array
  readonly tag: Uint8Array
  /** Of its TLS connection; absent under plaintext. */
  readonly key: Uint8Array | undefined
  /** Of the last sealed stream: no two have the same keys. */
  serial: number
}

/**
 * Another connection for a session. The first stream speaks TLS; where it does, the others are sealed with its keys, and carry frames at
 * once: whether the listener has the session shows in its first frame.
 *
 * @param address - To which of the peer's addresses.
 * @param dialled - Is used if it is there.
 */
export async function joinStream(
  session: JoinableSession,
  index: number,
  address: Address,
  signal: AbortSignal,
  dialled?: Promise<Socket>,
): Promise<Connection> {
  const { security, secret, tag, key } = session
  const isSealed = index > 0 && key !== undefined
  const socket = (await dialled?.catch(() => undefined)) ?? (await dial(address, isSealed ? {} : security, signal))
  if (!isSealed) return { socket, rest: (await greet(socket, { address, security }, { kind: 'join', secret, index }, signal)).rest }
  session.serial += 1
  socket.write(encodeHello({ kind: 'seal', tag, index, serial: session.serial }))
  return { socket, rest: Buffer.alloc(0), secrets: streamSecrets({ shared: key, serial: session.serial, isCaller: true }) }
}

/** Says `hello`, and has the answer. */
export async function greet(
  socket: Socket,
  { address, security }: { readonly address: Address; readonly security: DialSecurity },
  hello: Hello,
  signal: AbortSignal,
): Promise<Greeting> {
  try {
    socket.write(encodeHello(hello))
    const greeting = await readGreeting(socket, signal)
    if (greeting.hello.kind === 'refuse') throw refusal(greeting.hello)
    return greeting
  } catch (error) {
    socket.destroy()
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
      const where = `${address.host}:${address.port}`
      if (security.tls && error.code.startsWith('ERR_SSL')) throw tlsFailure(where, error)
      if (!error.code.startsWith('ERR_AMST'))
        throw amstError('ERR_AMST_UNREACHABLE', `${where} broke off: ${error.message}`, { retryable: true, cause: error })
    }
    throw error
  }
}
