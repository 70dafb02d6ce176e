import { connect, listen, type Session } from '@dwcp/amst'
import { type Carrier, patternAt } from './carrier.js'

/** @dwcp/amst: one object for each send, digests verified. */
export const amstCarrier: Carrier = {
  async listen({ host, tls, onBytes, onEnd }) {
    const server = await listen({ nodeId: 'receiver', host, port: 0, ...(tls === undefined ? { plaintext: 'trusted-network' } : { tls }) })
    const serve = async (session: Session): Promise<void> => {
      for await (const transfer of session.incoming) {
        await transfer.saveTo({ write: (offset: number, bytes: Uint8Array) => onBytes(bytes, offset) })
        onEnd()
      }
    }
    void (async () => {
      for await (const session of server) void serve(session)
    })()
    return { port: server.address.port }
  },
  async connect({ host, port, tls, streams }) {
    const session = await connect(
      { host, port },
      { nodeId: 'sender', streams, ...(tls === undefined ? { plaintext: 'trusted-network' } : { tls }) },
    )
    return async (bytes) => {
      const receipt = await session.send({ lengthBytes: bytes, read: patternAt }, { class: 'bulk' })
      if (receipt.lengthBytes !== bytes) throw new Error(`${bytes} bytes were sent and ${receipt.lengthBytes} acknowledged`)
    }
  },
}
