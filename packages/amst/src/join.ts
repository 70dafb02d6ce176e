import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Address } from '@dwcp/interface'
import { streamSecrets } from '@dwcp/native-rdma/stream'
import { type DialSecurity, dial, tlsFailure } from './dial.js'
import { amstError } from './errors.js'
import { type Greeting, readGreeting } from './greeting.js'
import { encodeHello, type Hello, RANDOM_BYTES, refusal } from './hello.js'
import type { Connection } from './stream.js'

/** A session of this end's, as the listener knows it. */
export interface JoinableSession {
  readonly address: Address
  readonly security: DialSecurity
  readonly secret: Uint8Array
  readonly tag: Uint8Array
  /** Of its TLS connection; absent under plaintext. */
  readonly key: Uint8Array | undefined
}

/** Another connection for a session. The first stream speaks TLS; where it does, the others are sealed with its keys. */
export async function joinStream(session: JoinableSession, index: number, signal: AbortSignal): Promise<Connection> {
  const { address, security, secret, tag, key } = session
  if (index === 0 || key === undefined) {
    const { socket, greeting } = await greet(address, security, { kind: 'join', secret, index }, signal)
    return { socket, rest: greeting.rest }
  }
  const callerRandom = randomBytes(RANDOM_BYTES)
  const { socket, greeting } = await greet(address, {}, { kind: 'seal', tag, index, random: callerRandom }, signal)
  const { hello, rest } = greeting
  if (hello.kind !== 'sealed') {
    socket.destroy()
    throw amstError('ERR_AMST_HANDSHAKE', `the listener answered "seal" with "${hello.kind}"`)
  }
  return { socket, rest, secrets: streamSecrets({ shared: key, callerRandom, listenerRandom: hello.random, isCaller: true }) }
}

/** Dials, says `hello`, and has the answer. */
export async function greet(
  address: Address,
  security: DialSecurity,
  hello: Hello,
  signal: AbortSignal,
  asking?: () => void,
): Promise<{ readonly socket: Socket; readonly greeting: Greeting }> {
  const socket = await dial(address, security, signal)
  try {
    asking?.()
    socket.write(encodeHello(hello))
    const greeting = await readGreeting(socket, signal)
    if (greeting.hello.kind === 'refuse') throw refusal(greeting.hello)
    return { socket, greeting }
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
