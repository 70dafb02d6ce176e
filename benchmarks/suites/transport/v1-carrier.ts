import { listenV1, sendV1 } from '@dwcp/amst'
import { type Carrier, pattern } from './carrier.js'

/** What v1 can announce. */
const TRANSFER_BYTES_MAX = 2 ** 32 - 1

/** The v1 protocol by @dwcp/amst: plain TCP as the system gives it, no digests; a new set of connections for each object. */
export const v1Carrier: Carrier = {
  async listen({ host, onBytes, onEnd }) {
    const server = await listenV1({
      host,
      plaintext: 'trusted-network',
      from: ['0.0.0.0/0'],
      limits: { transferBytes: TRANSFER_BYTES_MAX },
    })
    void (async () => {
      for await (const transfer of server) {
        await transfer.saveTo({ write: (offset: number, bytes: Uint8Array) => onBytes(bytes, offset) })
        onEnd()
      }
    })()
    return { port: server.address.port }
  },
  async connect({ host, port, streams }) {
    return async (bytes) => {
      const stream = (async function* () {
        yield* pattern(bytes)
      })()
      const { wasClosedByPeer } = await sendV1(
        { host, port },
        { stream, lengthBytes: bytes },
        { connections: streams, plaintext: 'trusted-network', closeTimeoutMs: 60_000 },
      )
      if (!wasClosedByPeer) throw new Error('the v1 peer did not close its connections')
    }
  },
}
