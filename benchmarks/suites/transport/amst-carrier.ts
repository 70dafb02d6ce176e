import { connect, listen, type Session } from '@dwcp/amst'
import { type Carrier, pattern } from './carrier.js'

/** @dwcp/amst: one object for each send, digests verified. */
export const amstCarrier: Carrier = {
  async listen({ host, tls, onBytes, onEnd }) {
    const server = await listen({ nodeId: 'receiver', host, port: 0, ...(tls === undefined ? { plaintext: 'trusted-network' } : { tls }) })
    const serve = async (session: Session): Promise<void> => {
      for await (const transfer of session.incoming) {
        for await (const bytes of transfer.stream) onBytes(bytes)
        onEnd()
        transfer.complete()
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
      const receipt = await session.send({ lengthBytes: bytes, stream: asyncOf(pattern(bytes)) }, { class: 'bulk' })
      if (receipt.lengthBytes !== bytes) throw new Error(`${bytes} bytes were sent and ${receipt.lengthBytes} acknowledged`)
    }
  },
}

async function* asyncOf<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values
}
