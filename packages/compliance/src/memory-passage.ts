import { createHash } from 'node:crypto'
import { type ByteSource, DwcpError, type IncomingObject, isDwcpError, type ObjectProgress, type ObjectReceipt } from '@dwcp/interface'

/** What each end learns when an object breaks. */
interface Break {
  readonly sender: unknown
  readonly receiver: Error
}

/** The largest piece of known bytes that is handed over at once. */
const PIECE_BYTES = 262_144

/**
 * One object on its way. The receiver's reads pull the sender's source: a reader that stops reading stops the sender,
 * and nothing is held in between.
 */
export class Passage {
  readonly #hash = createHash('sha256')
  readonly #lengthBytes: number | undefined
  readonly #source: AsyncIterator<Uint8Array>
  readonly #onProgress: ((progress: ObjectProgress) => void) | undefined
  readonly #broken: Promise<Break>
  #break: (how: Break) => void = () => undefined
  #how: Break | undefined
  #ackedBytes = 0
  #state: 'waiting' | 'reading' | 'ended' = 'waiting'

  constructor(source: ByteSource, onProgress: ((progress: ObjectProgress) => void) | undefined) {
    this.#lengthBytes = source instanceof Uint8Array ? source.byteLength : source.lengthBytes
    this.#source = (source instanceof Uint8Array ? pieces(source) : source.stream)[Symbol.asyncIterator]()
    this.#onProgress = onProgress
    this.#broken = new Promise((resolve) => {
      this.#break = resolve
    })
  }

  /** Ends both sides; only the first call counts. */
  fail(how: Break): void {
    this.#how ??= how
    this.#break(this.#how)
  }

  /** Hands the object to the receiver and resolves when its handler has. */
  async deliver(on: (object: IncomingObject) => Promise<void>): Promise<ObjectReceipt> {
    const stream = { [Symbol.asyncIterator]: () => this.#read() }
    const object: IncomingObject = this.#lengthBytes === undefined ? { stream } : { lengthBytes: this.#lengthBytes, stream }
    const handled = Promise.resolve()
      .then(() => on(object))
      .then((): unknown => (this.#state === 'ended' ? undefined : rejected(new Error('the receiver did not read it to the end'))), rejected)
    const failure = await Promise.race([handled, this.#broken.then((how) => how.sender)])
    if (failure === undefined) return { lengthBytes: this.#ackedBytes, digest: `sha-256:${this.#hash.digest('hex')}` }
    this.fail({ sender: failure, receiver: cancelled(failure) })
    this.#source.return?.().catch(() => undefined)
    throw (await this.#broken).sender
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#state !== 'waiting') throw new TypeError('the bytes of an object are read once')
    this.#state = 'reading'
    // Until the source ends or the object breaks.
    for (;;) {
      const next = this.#source.next().catch((cause: unknown) => {
        this.fail({ sender: cause, receiver: cancelled(cause) })
        return undefined
      })
      const step = await Promise.race([next, this.#broken])
      // As on a real link, others have their turn between two pieces.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#how) throw this.#how.receiver
      if (step === undefined || !('done' in step)) continue
      if (step.done) break
      // A copy: what the sender does with its buffer afterwards must not reach the receiver.
      const piece = step.value.slice()
      this.#ackedBytes += piece.byteLength
      this.#checkLength(this.#ackedBytes > (this.#lengthBytes ?? Number.POSITIVE_INFINITY))
      this.#hash.update(piece)
      yield piece
      this.#onProgress?.({ ackedBytes: this.#ackedBytes, ...(this.#lengthBytes === undefined ? {} : { lengthBytes: this.#lengthBytes }) })
    }
    this.#checkLength(this.#ackedBytes !== (this.#lengthBytes ?? this.#ackedBytes))
    this.#state = 'ended'
  }

  #checkLength(wrong: boolean): void {
    if (!wrong) return
    const error = new DwcpError(
      'ERR_AMST_SOURCE_LENGTH',
      `the source was announced as ${this.#lengthBytes} bytes and gave ${this.#ackedBytes}: announce what it gives, or nothing`,
    )
    this.fail({ sender: error, receiver: cancelled(error) })
    throw cancelled(error)
  }
}

const rejected = (cause: unknown): DwcpError<'ERR_AMST_REJECTED'> =>
  new DwcpError('ERR_AMST_REJECTED', `the receiver rejected the object: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    details: isDwcpError(cause) ? { peerCode: cause.code } : {},
  })

const cancelled = (cause: unknown): DwcpError<'ERR_AMST_CANCELLED'> =>
  new DwcpError('ERR_AMST_CANCELLED', 'the sender gave the object up before its end', { cause })

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < bytes.byteLength; offset += PIECE_BYTES) yield bytes.subarray(offset, offset + PIECE_BYTES)
}
