import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { type Address, type Clock, systemClock } from '@dwcp/interface'
import { parseAddress } from '../address.js'
import { within } from '../deadline.js'
import { dial } from '../dial.js'
import { amstError, asError, messageOf } from '../errors.js'
import { type SendSource, sourceOf } from '../source.js'
import { encodeChunkHeader } from './chunk.js'
import { type Chunk, chunksOf } from './cut.js'
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CONNECTIONS_MAX, TRANSFER_BYTES_MAX, V1_DEFAULT_LIMITS } from './limits.js'
import { requirePlaintext, type V1Plaintext } from './plaintext.js'
import { resetSocket } from './reset.js'
import { V1_TERMS, type V1Progress, type V1Terms } from './transfer.js'

/**
 * How to send to a v1 peer.
 *
 * @public
 */
export interface V1SendOptions {
  readonly plaintext: V1Plaintext
  /** TCP connections, 1 to 256. @defaultValue 16, as v1 */
  readonly connections?: number
  /** Bytes of every chunk but the last, 4096 to 1048576. @defaultValue 65536, as v1 */
  readonly chunkBytes?: number
  readonly onProgress?: (progress: V1Progress) => void
  readonly signal?: AbortSignal
  /** For the connections to be there. @defaultValue 10 s */
  readonly timeoutMs?: number
  /** A peer that takes nothing for so long is given up. @defaultValue 20 s */
  readonly idleTimeoutMs?: number
  /** What the peer has to close its ends, after all was sent. @defaultValue 5 s */
  readonly closeTimeoutMs?: number
  readonly clock?: Clock
}

/**
 * What is known of bytes that were sent to a v1 peer, which never says that it has them.
 *
 * @public
 */
export interface V1Sent extends V1Terms {
  readonly lengthBytes: number
  readonly chunks: number
  readonly connections: number
  /**
   * The peer closed its end of every connection in order, in time. A listener of this package does so once it has stored the transfer;
   * of a v1 node, or of one that died in between, it says nothing of the kind.
   */
  readonly wasClosedByPeer: boolean
}

const CONNECTIONS_DEFAULT = 16
const CHUNK_BYTES_DEFAULT = 65_536
const TIMEOUT_MS_DEFAULT = 10_000

/** Where this process is sending to. */
const underWay = new Set<string>()

/**
 * Sends one byte string to a v1 peer, byte for byte as a v1 node does. v1 has no TLS, no checksum, no acknowledgement and no resumption,
 * and no name for a transfer: to one port this process sends one at a time, and that nobody else does is the caller's part.
 *
 * @param source - Of 1 to 4294967295 bytes, as many as are announced in every chunk: a stream needs its `lengthBytes`. Borrowed until the
 * promise settles.
 * @throws `ERR_AMST_PLAINTEXT_REFUSED`, `ERR_AMST_LIMIT`, `ERR_AMST_UNREACHABLE`, `ERR_AMST_TIMEOUT`, `ERR_AMST_PEER_LOST`,
 * `ERR_AMST_PROTOCOL` where the peer sends bytes, `ERR_AMST_SOURCE_LENGTH`, `ERR_AMST_SOURCE_CHANGED`, what the source or `onProgress`
 * throws, `signal.reason`; RangeError, TypeError.
 * @public
 */
export async function sendV1(address: Address | string, source: SendSource, options: V1SendOptions): Promise<V1Sent> {
  const to = parseAddress(address)
  const { connections = CONNECTIONS_DEFAULT, chunkBytes = CHUNK_BYTES_DEFAULT, plaintext, signal } = options
  requirePlaintext(plaintext, to.host)
  requireWithin('connections', connections, 1, CONNECTIONS_MAX)
  requireWithin('chunkBytes', chunkBytes, CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
  const given = sourceOf(source)
  const { lengthBytes: totalBytes } = given
  if (totalBytes === undefined) throw new TypeError('v1 announces the length of a transfer first: give { stream, lengthBytes }')
  if (!Number.isSafeInteger(totalBytes) || totalBytes < 1 || totalBytes > TRANSFER_BYTES_MAX)
    throw amstError('ERR_AMST_LIMIT', `v1 carries 1 to ${TRANSFER_BYTES_MAX} bytes, not ${totalBytes}: send it in parts`)
  signal?.throwIfAborted()
  const key = `${to.host}:${to.port}`
  if (underWay.has(key))
    throw amstError('ERR_AMST_LIMIT', `a v1 transfer to ${key} is under way, and v1 cannot tell two apart: wait for it`, {
      retryable: true,
    })
  underWay.add(key)
  try {
    const clock = options.clock ?? systemClock
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT
    const sockets = await within(clock, timeoutMs, signal, to, (dialling) => dialAll(to, connections, dialling))
    const chunks = chunksOf(given, { totalBytes, chunkBytes })
    const wasClosedByPeer = await new Sending(sockets, totalBytes, clock, options).run(chunks)
    return { ...V1_TERMS, lengthBytes: totalBytes, chunks: Math.ceil(totalBytes / chunkBytes), connections, wasClosedByPeer }
  } finally {
    underWay.delete(key)
  }
}

async function dialAll(to: Address, count: number, signal: AbortSignal): Promise<readonly Socket[]> {
  // One listener for each connection.
  setMaxListeners(0, signal)
  const dialled = await Promise.allSettled(Array.from({ length: count }, () => dial(to, {}, signal)))
  const sockets = dialled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const refused = dialled.find((one) => one.status === 'rejected')
  if (refused === undefined) return sockets
  for (const socket of sockets) socket.destroy()
  throw refused.reason
}

/** One transfer on its way out. */
class Sending {
  readonly #sockets: readonly Socket[]
  readonly #totalBytes: number
  readonly #clock: Clock
  readonly #options: V1SendOptions
  readonly #broken: Promise<never>
  #break: (reason: unknown) => void = () => undefined
  #doneBytes = 0
  #isOver = false
  #timer: Disposable

  constructor(sockets: readonly Socket[], totalBytes: number, clock: Clock, options: V1SendOptions) {
    this.#sockets = sockets
    this.#totalBytes = totalBytes
    this.#clock = clock
    this.#options = options
    this.#broken = new Promise((_, reject) => (this.#break = reject))
    // What breaks it before or after anybody waits is heard there, or too late to matter.
    this.#broken.catch(() => undefined)
    this.#timer = this.#watch()
  }

  /** @returns whether the peer closed every connection in order. */
  async run(chunks: AsyncGenerator<Chunk, void, undefined>): Promise<boolean> {
    const { closeTimeoutMs = V1_DEFAULT_LIMITS.closeTimeoutMs, signal } = this.#options
    const abort = (): void => this.#break(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()
    try {
      const closed = this.#sockets.map((socket) => this.#hear(socket))
      await Promise.race([Promise.all(this.#sockets.map((socket) => this.#carry(socket, chunks))), this.#broken])
      for (const socket of this.#sockets) socket.end()
      const stillOpen = new Promise<false>((resolve) => {
        this.#timer[Symbol.dispose]()
        this.#timer = this.#clock.after(closeTimeoutMs, () => resolve(false))
      })
      return await Promise.race([Promise.all(closed).then(() => true), stillOpen, this.#broken])
    } finally {
      this.#isOver = true
      this.#timer[Symbol.dispose]()
      signal?.removeEventListener('abort', abort)
      for (const socket of this.#sockets) resetSocket(socket)
      // A source whose next() is under way ends when that settles; nobody waits for it.
      chunks.return().catch(() => undefined)
    }
  }

  /** Takes chunks from the one queue as fast as this connection does. */
  async #carry(socket: Socket, chunks: AsyncGenerator<Chunk, void, undefined>): Promise<void> {
    for (let step = await chunks.next(); !step.done && !this.#isOver; step = await chunks.next()) {
      const { header, bytes } = step.value
      await new Promise<void>((resolve, reject) => {
        // One write: the header does not travel alone.
        socket.cork()
        socket.write(encodeChunkHeader(header))
        socket.write(bytes, (error) => (error ? reject(lost(error)) : resolve()))
        socket.uncork()
      })
      if (this.#isOver) return
      this.#doneBytes += bytes.byteLength
      this.#timer[Symbol.dispose]()
      this.#timer = this.#watch()
      this.#options.onProgress?.({ doneBytes: this.#doneBytes, lengthBytes: this.#totalBytes })
    }
  }

  /** Resolves when both ends have closed it. */
  #hear(socket: Socket): Promise<void> {
    socket.on('error', (error) => this.#break(lost(error)))
    socket.on('data', () =>
      this.#break(amstError('ERR_AMST_PROTOCOL', 'the peer sent bytes, and a v1 receiver sends none: check the port')),
    )
    return new Promise((resolve) => socket.once('close', () => resolve()))
  }

  #watch(): Disposable {
    const { idleTimeoutMs = V1_DEFAULT_LIMITS.idleTimeoutMs } = this.#options
    return this.#clock.after(idleTimeoutMs, () =>
      this.#break(amstError('ERR_AMST_TIMEOUT', `the v1 peer took nothing for ${idleTimeoutMs} ms`, { retryable: true })),
    )
  }
}

function requireWithin(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${value}`)
}

const lost = (cause: unknown): Error =>
  amstError('ERR_AMST_PEER_LOST', `the v1 peer broke off: ${messageOf(asError(cause))}`, { retryable: true, cause })
