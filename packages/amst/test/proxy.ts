import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Address } from '@dwcp/interface'

/** Stands between two ends, and can cut, hold or damage what passes. */
export interface Proxy {
  readonly address: Address
  /** Connections that are open. */
  readonly connections: number
  /** Cuts what is open, and takes nobody more until healed. */
  cut(): void
  heal(): void
  /** Cuts the connection that came `index`-th. */
  cutOne(index: number): void
  /** Nothing passes any more in either direction, on old connections and new, and nobody is told. */
  freeze(): void
  /** Nothing passes on connection `index` alone, and nobody is told. */
  freezeOne(index: number): void
  /** Nothing passes until the result is called, which goes on with what waits. */
  stall(): () => void
  close(): Promise<void>
}

/**
 * @param damage - Is told how many connections came before.
 * @param delayMs - In each direction.
 */
export async function openProxy(
  target: Address,
  damage: (bytes: Buffer, toServer: boolean, before: number) => Buffer = (bytes) => bytes,
  delayMs = 0,
): Promise<Proxy> {
  let pairs: { readonly client: Socket; readonly server: Socket }[] = []
  let connections = 0
  let isCut = false
  let isFrozen = false
  const proxy: Server = createServer((client) => {
    if (isCut) return void client.destroy()
    const before = connections++
    const server = connect(target)
    for (const socket of [client, server]) socket.on('error', () => undefined)
    const pair = { client, server }
    pairs.push(pair)
    if (isFrozen) return
    for (const [from, to, toServer] of [
      [client, server, true],
      [server, client, false],
    ] as const) {
      from.on('data', (bytes) => {
        const pass = (): void => {
          if (to.write(damage(bytes, toServer, before))) return
          from.pause()
          to.once('drain', () => from.resume())
        }
        if (delayMs > 0) setTimeout(pass, delayMs)
        else pass()
      })
      from.on('close', () => {
        to.destroy()
        pairs = pairs.filter((other) => other !== pair)
      })
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const bound = proxy.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('the proxy has no port')
  const freeze = ({ client, server }: (typeof pairs)[number]): void => {
    for (const socket of [client, server]) socket.removeAllListeners('data').pause()
  }
  const drop = (): void => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }
  return {
    address: { host: '127.0.0.1', port: bound.port },
    get connections() {
      return pairs.length
    },
    cut() {
      isCut = true
      drop()
    },
    heal() {
      isCut = false
    },
    cutOne(index) {
      pairs[index]?.client.destroy()
    },
    freeze() {
      isFrozen = true
      pairs.forEach(freeze)
    },
    freezeOne(index) {
      const pair = pairs[index]
      if (pair) freeze(pair)
    },
    stall() {
      const stalled = pairs
      for (const { client, server } of stalled) for (const socket of [client, server]) socket.pause()
      return () => {
        for (const { client, server } of stalled)
          for (const socket of [client, server]) if (socket.listenerCount('data') > 0) socket.resume()
      }
    },
    async close() {
      drop()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
