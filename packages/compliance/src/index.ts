export { type MemoryNetwork, type MemoryNetworkOptions, createMemoryNetwork } from './memory-network.js'
export type { MemoryTransport } from './memory-transport.js'
