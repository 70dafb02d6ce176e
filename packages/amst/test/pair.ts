import type { Address } from '@dwcp/interface'
import { onTestFinished } from 'vitest'
import { type AmstLimits, connect, type IncomingTransfer, listen, type Server, type Session } from '../src/index.ts'
import { openProxy, type Proxy } from './proxy.ts'

/** Two ends of one plaintext session, with a proxy between them; all of it closed after the test. */
export interface Pair {
  readonly a: Session
  readonly b: Session
  readonly server: Server
  readonly proxy: Proxy
  readonly address: Address
}

export async function pairThroughProxy(
  options: {
    readonly streams?: number
    readonly limits?: Partial<AmstLimits>
    readonly damage?: (bytes: Buffer, toServer: boolean) => Buffer
  } = {},
): Promise<Pair> {
  const limits = options.limits ?? {}
  const server = await listen({ nodeId: 'b', plaintext: true, limits })
  const proxy = await openProxy(server.address, options.damage)
  const a = await connect(proxy.address, { nodeId: 'a', plaintext: true, limits, streams: options.streams ?? 4 })
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
