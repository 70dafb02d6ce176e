import { type Clock, type NodeId, systemClock, type TrustDomain } from '@dwcp/interface'
import { MemoryTransport } from './memory-transport.js'

export interface MemoryNetworkOptions {
  /** Stamps arrivals and expires messages. @defaultValue systemClock */
  readonly clock?: Clock
  /** @defaultValue 1 MiB */
  readonly maxMessageBytes?: number
  /** Messages waiting in one direction between two nodes; one more is dropped. @defaultValue 1024 */
  readonly queueMessages?: number
  /** What every node says of every other. @defaultValue 'trusted' */
  readonly domainOf?: (node: NodeId) => TrustDomain
}

/** Nodes in one process, joined by links that can be cut: a whole MessageTransport without sockets, for tests. */
export interface MemoryNetwork {
  /** Joins under `id`; after the former one of that name was closed, a restart. Throws where the name is taken. */
  transport(id: NodeId): MemoryTransport
  /** Nothing passes between the two until {@link MemoryNetwork.heal}: both see the other go down, objects under way break. */
  cut(a: NodeId, b: NodeId): void
  /** Two that had been up are up again at once. */
  heal(a: NodeId, b: NodeId): void
}

/**
 * @example
 * ```ts
 * import { createMemoryNetwork } from '@dwcp/compliance'
 * const network = createMemoryNetwork()
 * const [a, b] = [network.transport('a'), network.transport('b')]
 * b.receive('greeting', (from, payload) => console.log(from.nodeId, payload))
 * a.send('b', 'greeting', new TextEncoder().encode('hello'))
 * ```
 */
export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  const nodes = new Map<NodeId, MemoryTransport>()
  const cuts = new Set<string>()
  const link = (a: NodeId, b: NodeId): string => JSON.stringify([a, b].sort())
  const settings = {
    clock: options.clock ?? systemClock,
    maxMessageBytes: options.maxMessageBytes ?? 1_048_576,
    queueMessages: options.queueMessages ?? 1024,
    domainOf: options.domainOf ?? ((): TrustDomain => 'trusted'),
    reach: (from: NodeId, to: NodeId) => (cuts.has(link(from, to)) ? undefined : nodes.get(to)),
    left: (id: NodeId) => nodes.delete(id),
  }
  return {
    transport(id) {
      if (nodes.has(id)) throw new RangeError(`"${id}" is already on this network: close it first`)
      const transport = new MemoryTransport(id, settings)
      nodes.set(id, transport)
      for (const other of nodes.values()) if (other.remembers(id)) other.open(transport)
      return transport
    },
    cut(a, b) {
      cuts.add(link(a, b))
      nodes.get(a)?.lose(b, 'the link was cut')
      nodes.get(b)?.lose(a, 'the link was cut')
    },
    heal(a, b) {
      cuts.delete(link(a, b))
      const [here, there] = [nodes.get(a), nodes.get(b)]
      if (here && there && (here.remembers(b) || there.remembers(a))) here.open(there)
    },
  }
}
