import { type TransportFixture, transportCompliance } from '@dwcp/compliance'
import type { Address, NodeId } from '@dwcp/interface'
import { type AmstTransport, createTransport, type TransportOptions } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { openProxy, type Proxy } from './proxy.ts'

const authority = await createAuthority()

/** Every node sees every other through a proxy of its own, so that links can be cut one by one. */
async function fixture(
  ids: readonly NodeId[],
  secure: (id: NodeId) => Promise<Pick<TransportOptions, 'tls' | 'plaintext'>>,
): Promise<TransportFixture> {
  const addresses = new Map<string, Address>()
  const transports: AmstTransport[] = []
  const proxies = new Map<string, Proxy>()
  for (const self of ids) {
    const directory = {
      lookup: (node: NodeId) => [addresses.get(`${self} ${node}`) ?? []].flat(),
      async *changes(): AsyncGenerator<NodeId> {},
    }
    transports.push(await createTransport({ self, directory, listen: {}, ...(await secure(self)) }))
  }
  for (const from of ids) {
    for (const to of transports) {
      if (to.self === from || !to.address) continue
      const proxy = await openProxy(to.address)
      proxies.set(`${from} ${to.self}`, proxy)
      addresses.set(`${from} ${to.self}`, proxy.address)
    }
  }
  return {
    transports,
    async close() {
      await Promise.all(transports.map((transport) => transport.close()))
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()))
    },
    partition(a, b) {
      const between = [proxies.get(`${a} ${b}`), proxies.get(`${b} ${a}`)]
      for (const proxy of between) proxy?.cut()
      return () => {
        for (const proxy of between) proxy?.heal()
      }
    },
  }
}

transportCompliance('amst over plaintext', (ids) => fixture(ids, async () => ({ plaintext: true })))
transportCompliance('amst over TLS 1.3', (ids) => fixture(ids, async (id) => ({ tls: await authority.credentials(id) })))
