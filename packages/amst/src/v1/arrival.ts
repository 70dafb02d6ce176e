import type { Clock } from '@dwcp/interface'
import { amstError, asError, codeOf } from '../errors.js'
import { type OpenSink, openSink, type Sink } from '../sink.js'
import type { ChunkHeader, ChunkPart } from './chunk.js'
import { Cover } from './cover.js'
import { InOrder } from './in-order.js'
import type { V1Limits } from './limits.js'
import { V1_TERMS, type V1Progress, type V1ReceiveOptions, type V1Saved, type V1SaveOptions, type V1Transfer } from './transfer.js'

/** Where pieces go, once the application has said so. */
interface Target {
  readonly sink: OpenSink | InOrder
  readonly onProgress: ((progress: V1Progress) => void) | undefined
}

/** A transfer while it comes, on however many connections. */
export class Arrival implements V1Transfer {
  readonly from: string
  readonly lengthBytes: number
  /** Resolves once it is over, with what broke it. */
  readonly over: Promise<Error | undefined>
  readonly #limits: V1Limits
  readonly #clock: Clock
  readonly #cover: Cover
  readonly #target: Promise<Target>
  readonly #whole: Promise<void>
  #begin: (target: Target) => void = () => undefined
  #becomeWhole: () => void = () => undefined
  #break: (reason: Error) => void = () => undefined
  #end: (broken: Error | undefined) => void = () => undefined
  #timer: Disposable
  #inOrder: InOrder | undefined
  #state: 'announced' | 'taken' | 'over' = 'announced'
  #broken: Error | undefined
  #doneBytes = 0
  #writing = 0

  constructor(from: string, { totalBytes }: ChunkHeader, environment: { readonly limits: V1Limits; readonly clock: Clock }) {
    this.from = from
    this.lengthBytes = totalBytes
    this.#limits = environment.limits
    this.#clock = environment.clock
    this.#cover = new Cover(totalBytes)
    this.over = new Promise((resolve) => (this.#end = resolve))
    this.#whole = new Promise((resolve, reject) => {
      this.#becomeWhole = resolve
      this.#break = reject
    })
    this.#target = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#whole.catch(reject)
    })
    // Heard by the connections, of which there may be none.
    this.#target.catch(() => undefined)
    this.#timer = this.#watch(0)
  }

  get isTaken(): boolean {
    return this.#state === 'taken'
  }

  /** Whether the chunk can be one of this transfer; if not, it is one of the next. */
  wants(header: ChunkHeader): boolean {
    return this.#state !== 'over' && this.#cover.lacks(header)
  }

  /**
   * Resolves when the sink has taken it, which is as fast as the connection may bring more. What it throws has ended the transfer.
   * @throws `ERR_AMST_PROTOCOL`, `ERR_AMST_SINK`, or what the application's `onProgress` throws.
   */
  async take(part: ChunkPart): Promise<void> {
    if (this.#broken) throw this.#broken
    if (this.#isWhole) throw amstError('ERR_AMST_PROTOCOL', 'a v1 sender sent more than its transfer')
    try {
      if ('header' in part) this.#cover.add(part.header)
      else await this.#write(part.offset, part.bytes)
    } catch (error) {
      this.#finish(asError(error))
      throw error
    }
  }

  async saveTo(sink: Sink, options: V1SaveOptions = {}): Promise<V1Saved> {
    const { mode = 0o600, onProgress, signal } = options
    this.#claim()
    const abort = (): void => this.reject(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    let open: OpenSink | undefined
    try {
      if (signal?.aborted) abort()
      if (this.#broken) throw this.#broken
      const opened = await stored(() => openSink(sink, mode))
      open = opened
      this.#inOrder = opened.takesBlocks ? undefined : new InOrder(opened, this.#limits.reorderBytes)
      this.#begin({ sink: this.#inOrder ?? opened, onProgress })
      await this.#whole
      await stored(() => opened.commit())
      this.#finish(undefined)
      if (this.#broken) throw this.#broken
      return { ...V1_TERMS, from: this.from, lengthBytes: this.lengthBytes }
    } catch (error) {
      this.#finish(asError(error))
      // What broke first is what the caller learns.
      await open?.abandon(error).catch(() => undefined)
      throw signal?.aborted ? signal.reason : error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async bytes(options: V1ReceiveOptions = {}): Promise<Uint8Array> {
    let whole: Uint8Array | undefined
    const room = (): Uint8Array => {
      // Not filled, so that the system gives no page before a byte comes; at the end each byte was written.
      whole ??= Buffer.allocUnsafeSlow(this.lengthBytes)
      return whole
    }
    await this.saveTo({ write: (offset: number, bytes: Uint8Array) => room().set(bytes, offset) }, options)
    return room()
  }

  reject(reason: unknown = amstError('ERR_AMST_REJECTED', 'the application rejected the v1 transfer')): void {
    this.#finish(asError(reason))
  }

  /** A connection broke. What has all its bytes needs none of them any more. */
  lose(reason: Error): void {
    if (!this.#isWhole) this.#finish(reason)
  }

  get #isWhole(): boolean {
    return this.#doneBytes === this.lengthBytes
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    const { sink, onProgress } = await this.#target
    if (this.#broken) throw this.#broken
    this.#writing += 1
    try {
      await stored(() => sink.write(offset, bytes))
    } finally {
      this.#writing -= 1
    }
    this.#doneBytes += bytes.byteLength
    onProgress?.({ doneBytes: this.#doneBytes, lengthBytes: this.lengthBytes })
    if (!this.#isWhole) return
    this.#cover.verify()
    this.#becomeWhole()
  }

  #claim(): void {
    if (this.#broken) throw this.#broken
    if (this.#state !== 'announced') throw new TypeError('a v1 transfer is taken once')
    this.#state = 'taken'
  }

  #finish(broken: Error | undefined): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#broken = broken
    this.#timer[Symbol.dispose]()
    if (broken) this.#break(broken)
    this.#end(broken)
  }

  /** Gives a sender up that brings too little, unless it is this end that keeps it waiting. */
  #watch(before: number): Disposable {
    const { idleTimeoutMs, progressBytes } = this.#limits
    return this.#clock.after(idleTimeoutMs, () => {
      const isStoring = this.#writing > (this.#inOrder?.waiting ?? 0) || this.#isWhole
      if (this.isTaken && !isStoring && this.#doneBytes - before < progressBytes) {
        const what = `${this.#doneBytes} of ${this.lengthBytes} bytes came, and of these ${this.#doneBytes - before} in the last ${idleTimeoutMs} ms`
        return this.#finish(amstError('ERR_AMST_TIMEOUT', `a v1 transfer from ${this.from} is given up: ${what}`, { retryable: true }))
      }
      this.#timer = this.#watch(this.#doneBytes)
    })
  }
}

async function stored<T>(step: () => Promise<T> | T): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    throw amstError('ERR_AMST_SINK', `the v1 transfer could not be stored (${codeOf(cause)})`, { cause })
  }
}
