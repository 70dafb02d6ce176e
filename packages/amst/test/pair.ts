import type { Address, TlsCredentials } from '@dwcp/interface'
import { onTestFinished } from 'vitest'
import { type AmstLimits, connect, type IncomingTransfer, listen, type Server, type Session } from '../src/index.ts'
import { openProxy, type Proxy } from './proxy.ts'

/** Two ends of one session, with a proxy between them; all of it closed after the test. */
export interface Pair {
  readonly a: Session
  readonly b: Session
  readonly server: Server
  readonly proxy: Proxy
  readonly address: Address
}

export async function pairThroughProxy(
  options: {
    /** Of the dialling end. @defaultValue a */
    readonly name?: string
    readonly streams?: number
    readonly limits?: Partial<AmstLimits>
    /** @defaultValue plaintext */
    readonly tls?: { readonly a: TlsCredentials; readonly b: TlsCredentials }
    readonly delayMs?: number
    readonly damage?: (bytes: Buffer, toServer: boolean, before: number) => Buffer
  } = {},
): Promise<Pair> {
  const limits = options.limits ?? {}
  const security = (tls: TlsCredentials | undefined) => (tls === undefined ? { plaintext: true } : { tls })
  const server = await listen({ nodeId: 'b', ...security(options.tls?.b), limits })
  const proxy = await openProxy(server.address, options.damage, options.delayMs)
  const a = await connect(proxy.address, {
    nodeId: options.name ?? 'a',
    ...security(options.tls?.a),
    limits,
    streams: options.streams ?? 4,
  })
  const accepted = await server[Symbol.asyncIterator]().next()
  onTestFinished(async () => {
    a.destroy()
    server.destroy()
    await proxy.close()
  })
  return { a, b: accepted.value, server, proxy, address: server.address }
}

export async function firstOf(session: Session): Promise<IncomingTransfer> {
  for await (const transfer of session.incoming) return transfer
  throw new Error('the session ended')
}

/** Looks at each turn of the loop; the test's own time limit ends a wait in vain. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
