import { isDwcpError } from '@dwcp/interface'
import { releaseBody } from '@dwcp/native-rdma/stream'
import type { BlockMap } from './block-map.js'
import { amstError, asError, codeOf } from './errors.js'
import { Draft, draftPath } from './file-draft.js'
import type { Arrival, ArrivedBlock } from './incoming-object.js'
import type { TransferJournal } from './journal.js'
import { openSink, type Sink } from './sink.js'

/**
 * How an object is kept.
 *
 * @public
 */
export interface SaveOptions {
  /** Of a file that is saved to a path; 0600 until it is whole. @defaultValue 0o600 */
  readonly mode?: number
  /** Where an object that its sender would resume goes on where it was, or is known to be complete: for sinks that are paths. */
  readonly journal?: TransferJournal
  /** Rejects the object. */
  readonly signal?: AbortSignal
  /** What was written of this transfer, in bytes; what was here before does not count. */
  readonly onProgress?: (storedBytes: number) => void
}

/**
 * What became of an object.
 *
 * @public
 */
export interface SavedObject {
  readonly lengthBytes: number
  /** Of these, what was here before this transfer, and was not sent again. */
  readonly keptBytes: number
  /** It was stored by an earlier transfer, of which this process may not have lived to tell: nothing was written now. */
  readonly isRepeat: boolean
}

/** Reads a transfer into a sink, and completes it once the sink has all of it. The reader holds one chunk at a time. */
export async function saveTransfer(arrival: Arrival, sink: Sink, options: SaveOptions): Promise<SavedObject> {
  const { transfer, opening, blocks } = arrival
  const { journal, onProgress, signal, mode = 0o600 } = options
  const abort = (): void => transfer.reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (signal?.aborted) abort()
    signal?.throwIfAborted()
    if (journal && typeof sink !== 'string') throw new TypeError('a journal is for objects that are saved to a path')
    const resumes = journal !== undefined && typeof sink === 'string' && opening.key !== '' && blocks !== undefined
    if (resumes) return await resume(arrival, blocks, { path: sink, mode, journal, onProgress })
    const saved = await saveAnew(arrival, sink, mode, onProgress)
    // Stored, but the sender was told of the abort: it is not completed.
    signal?.throwIfAborted()
    transfer.complete()
    return saved
  } catch (error) {
    transfer.reject(error)
    throw signal?.aborted ? signal.reason : error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

async function saveAnew(arrival: Arrival, sink: Sink, mode: number, onProgress: SaveOptions['onProgress']): Promise<SavedObject> {
  const target = await stored(arrival, () => openSink(sink, mode))
  try {
    let lengthBytes = 0
    const arriving = target.takesBlocks && arrival.blocks ? arrival.readBlocks(undefined) : inOrder(arrival.transfer.stream)
    for await (const { offset, bytes } of arriving) {
      await stored(arrival, () => target.write(offset, bytes))
      lengthBytes += bytes.byteLength
      onProgress?.(lengthBytes)
      // A Node stream may keep what it was given.
      if (target.takesBlocks) releaseBody(bytes)
    }
    await stored(arrival, () => target.commit())
    return { lengthBytes, keptBytes: 0, isRepeat: false }
  } catch (error) {
    // What broke first is what the caller learns.
    await target.abandon(asError(error)).catch(() => undefined)
    throw error
  }
}

interface Resumable {
  readonly path: string
  readonly mode: number
  readonly journal: TransferJournal
  readonly onProgress: SaveOptions['onProgress']
}

/** Goes on with what the journal has of the object: says so at once, and looks meanwhile whether it is true. */
async function resume(arrival: Arrival, blocks: BlockMap, { path, mode, journal, onProgress }: Resumable): Promise<SavedObject> {
  const { hash, opening, peer, transfer } = arrival
  const { blockBytes, key, lengthBytes = 0 } = opening
  const head = { peer, key, lengthBytes, blockBytes, path, draft: draftPath(path) }
  const entry = await stored(arrival, () => journal.enter(head, (reason) => transfer.reject(reason)))
  const open = (): Promise<Draft> => stored(arrival, () => Draft.open(entry.head.draft, path, mode))
  let draft: Draft | undefined
  let looking: Promise<void> | undefined
  let isLeft = false
  try {
    if (!entry.whole) {
      for (const [block, digest] of entry.blocks) if (block < blocks.count) blocks.claim(block, digest)
      const begun = await open()
      draft = begun
      looking = look(arrival, blocks, begun, () => isLeft).catch((error: unknown) => transfer.reject(error))
    }
    let arrivedBytes = 0
    for await (const { block, offset, bytes, digest } of arrival.readBlocks(entry.whole)) {
      // Complete once, and now its sender has another one under that key.
      if (!draft) await stored(arrival, () => entry.restart())
      draft ??= await open()
      const target = draft
      await stored(arrival, () => target.write(offset, bytes))
      entry.add({ block, digest })
      arrivedBytes += bytes.byteLength
      onProgress?.(arrivedBytes)
      releaseBody(bytes)
    }
    if (!draft) {
      transfer.complete()
      return { lengthBytes, keptBytes: lengthBytes, isRepeat: true }
    }
    await looking
    const [target, digest] = [draft, blocks.digest(hash)]
    await stored(arrival, () => target.commit(() => entry.becomesWhole(digest)))
    await stored(arrival, () => entry.shorten(digest))
    // It is stored for good. A sender that does not hear it any more asks again, and is told then.
    arrival.completeIfOpen()
    return { lengthBytes, keptBytes: lengthBytes - arrivedBytes, isRepeat: false }
  } catch (error) {
    if (isDwcpError(error, 'ERR_AMST_CORRUPT')) await entry.discard().catch(() => undefined)
    throw error
  } finally {
    isLeft = true
    await looking
    await draft?.close().catch(() => undefined)
    await journal.leave(entry).catch(() => undefined)
  }
}

async function look({ hash, opening, settleClaim }: Arrival, blocks: BlockMap, draft: Draft, isLeft: () => boolean): Promise<void> {
  const { blockBytes, lengthBytes = 0 } = opening
  const buffer = Buffer.allocUnsafeSlow(Math.min(blockBytes, lengthBytes))
  for (let block = 0; block < blocks.count && !isLeft(); block += 1) {
    if (!blocks.isClaimed(block)) continue
    const offset = block * blockBytes
    const due = buffer.subarray(0, Math.min(blockBytes, lengthBytes - offset))
    const isThere = (await draft.read(offset, due)) === due.byteLength
    settleClaim(block, isThere && Buffer.compare(hash.xxh3_128(due), blocks.digestOf(block)) === 0)
  }
}

async function* inOrder(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Pick<ArrivedBlock, 'offset' | 'bytes'>, void, undefined> {
  let end = 0
  for await (const bytes of stream) {
    const offset = end
    // Before the bytes are given back.
    end += bytes.byteLength
    yield { offset, bytes }
  }
}

/** What the sink throws is told to the sender by its code alone: its message may have a path of this machine. */
async function stored<T>({ transfer }: Arrival, step: () => Promise<T> | T): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    const error = amstError('ERR_AMST_SINK', `the receiver could not store the object (${codeOf(cause)})`, { cause })
    // Before the reader is left, which would reject with a reason that says less.
    transfer.reject(error)
    throw error
  }
}
