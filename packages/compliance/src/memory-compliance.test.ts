import { createMemoryNetwork } from './memory-network.ts'
import { transportCompliance } from './transport.ts'

transportCompliance('memory', async (ids) => {
  const network = createMemoryNetwork()
  const transports = ids.map((id) => network.transport(id))
  return {
    transports,
    close: async () => {
      await Promise.all(transports.map((transport) => transport.close()))
    },
    partition: (a, b) => {
      network.cut(a, b)
      return () => network.heal(a, b)
    },
  }
})
