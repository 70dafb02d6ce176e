import { V1Listener } from './listener.js'
import type { V1ListenOptions, V1Server } from './server.js'

/**
 * Listens for v1 senders, beside any number of v3 listeners. v1 has no TLS, no names and no checksum, which is why `plaintext` must
 * be said; from one address it takes one transfer at a time, because nothing in v1 tells two apart.
 *
 * @throws `ERR_AMST_PLAINTEXT_REFUSED`; RangeError; the system's error where the port cannot be had.
 *
 * @example
 * ```ts
 * import { listenV1, sendV1 } from '@dwcp/amst'
 * await using server = await listenV1({ plaintext: true })
 * const sending = sendV1(server.address, new TextEncoder().encode('a packet'), { plaintext: true })
 * for await (const transfer of server) {
 *   console.log(await transfer.bytes(), await sending)
 *   break
 * }
 * ```
 * @public
 */
export async function listenV1(options: V1ListenOptions): Promise<V1Server> {
  const listener = new V1Listener(options)
  await listener.start(options.port ?? 0)
  return listener
}
