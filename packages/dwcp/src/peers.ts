import { type Address, DwcpError, type NodeId, type PeerDirectory } from '@dwcp/interface'

/** A directory that is written by hand: the peers of the configuration, and those that are met. */
export interface PeerList extends PeerDirectory {
  set(node: NodeId, address: Address): void
  nodes(): readonly NodeId[]
}

export function createPeerList(initial: Readonly<Record<NodeId, Address | string>> = {}): PeerList {
  const addresses = new Map<NodeId, Address>()
  const watchers = new Set<(node: NodeId) => void>()
  for (const [node, address] of Object.entries(initial)) addresses.set(node, typeof address === 'string' ? parseAddress(address) : address)
  return {
    lookup(node) {
      const address = addresses.get(node)
      return address === undefined ? [] : [address]
    },
    nodes: () => [...addresses.keys()],
    set(node, address) {
      const before = addresses.get(node)
      if (before?.host === address.host && before.port === address.port) return
      addresses.set(node, address)
      for (const watcher of [...watchers]) watcher(node)
    },
    async *changes() {
      const changed: NodeId[] = []
      let wake: (() => void) | undefined
      const watcher = (node: NodeId): void => {
        changed.push(node)
        wake?.()
      }
      watchers.add(watcher)
      try {
        // Ends when its reader leaves.
        for (;;) {
          const node = changed.shift()
          if (node !== undefined) yield node
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        watchers.delete(watcher)
      }
    },
  }
}

/**
 * `host:port`, with an IPv6 host in brackets, and an optional `dwcp://` before it.
 * @throws `ERR_CORE_ADDRESS`
 */
export function parseAddress(text: string): Address {
  const match = /^(?:dwcp:\/\/)?(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535)
    throw new DwcpError('ERR_CORE_ADDRESS', `"${text}" is no address: write host:port, such as 127.0.0.1:7400 or [::1]:7400`)
  return { host, port }
}

/** `host:port`, with an IPv6 host in brackets: what {@link parseAddress} reads. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
