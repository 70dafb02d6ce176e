import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest, Logger } from '@dwcp/interface'
import type { PageImage, PageImages } from '@dwcp/native-rdma/codec'
import { isDigest } from '../byte-reader.js'
import { CODECS } from '../packing.js'
import type { BaselineStore } from '../store/store.js'
import { readRecord, writeRecord } from './archive-record.js'
import { OUTCOMES } from './outcomes.js'

/** Read and written in one go. */
const PART_BYTES = 4 << 20
/** After each part as many times as long as it took. */
const PAUSE_TIMES = 9
/** Nothing is written while states are on their way, nor so long after. */
const QUIET_MS = 500
/** Images that wait to be written; each may hold memory that its codec has let go of. */
const MOST_WAITING = 8
const KIND = 'state'
const WORKLOAD_DIGITS = 32
const NOTHING = new Uint8Array()
const NO_NUMBERS = new Uint32Array()
/** Nothing checks such a frame: what comes from a store is verified there. */
const WITHOUT_PAYLOAD = {
  references: NO_NUMBERS,
  sources: NO_NUMBERS,
  method: CODECS.raw,
  payload: NOTHING,
  head: NOTHING,
  check: undefined,
}

interface Waiting {
  readonly workload: string
  readonly digest: Digest
  readonly image: PageImage
}

export interface ArchiveParts {
  readonly store: BaselineStore
  readonly images: () => Promise<PageImages>
  /** Baselines kept of one workload. */
  readonly perWorkload: number
  readonly logger: Logger
}

/**
 * Baselines of running workloads in a store of objects: they outlive the memory of this process, and the process. Written in the
 * background, a newer one of the same workload in place of one that is not written yet.
 */
export class BaselineArchive {
  readonly #parts: ArchiveParts
  /** By workload. */
  readonly #waiting = new Map<string, Waiting>()
  #writing: { readonly workload: string; readonly stop: AbortController } | undefined
  #work: Promise<void> | undefined
  #quietAtMs = 0
  #isClosed = false

  constructor(parts: ArchiveParts) {
    this.#parts = parts
  }

  /** Newest first. */
  own(workload: string): readonly Digest[] {
    const begin = nameOf(workload, '')
    return this.#parts.store.latest().flatMap(({ name }) => (name.startsWith(begin) ? digestsIn(name.slice(begin.length)) : []))
  }

  /** A state is on its way: it goes first. */
  defer(): void {
    this.#quietAtMs = performance.now() + QUIET_MS
  }

  /** The image stays its owner's. */
  save(workload: string, digest: Digest, image: PageImage): void {
    const isSaved = this.#parts.store.latest(nameOf(workload, digest)).length > 0
    if (this.#isClosed || isSaved || this.#parts.perWorkload === 0) return
    this.#drop(workload)
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined && this.#waiting.size >= MOST_WAITING) this.#drop(oldest)
    this.#waiting.set(workload, { workload, digest, image: image.fork(image.regions) })
    if (this.#writing?.workload === workload) this.#writing.stop.abort(new Error('a newer one is here'))
    this.#work ??= this.#writeAll().finally(() => {
      this.#work = undefined
    })
  }

  /** What was saved, in an image that is the caller's; undefined where it is gone, or not what was saved. */
  async load(workload: string, digest: Digest): Promise<PageImage | undefined> {
    const { store, logger } = this.#parts
    const [held] = store.latest(nameOf(workload, digest))
    if (held === undefined) return undefined
    try {
      return await this.#read(held.digest)
    } catch (error) {
      logger.warn({ workload, digest, error }, 'a baseline could not be read: done without')
      await store.delete(held.digest)
      return undefined
    }
  }

  /** Ends what is being written; what is not whole by then is not kept. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const workload of [...this.#waiting.keys()]) this.#drop(workload)
    this.#writing?.stop.abort(new Error('closed'))
    await this.#work
  }

  #drop(workload: string): void {
    this.#waiting.get(workload)?.image.close()
    this.#waiting.delete(workload)
  }

  async #writeAll(): Promise<void> {
    // Ends when nothing waits: no more can come than migrations end.
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { workload, digest, image } = next
      const stop = new AbortController()
      this.#writing = { workload, stop }
      try {
        await this.#write(next, stop.signal)
      } catch (error) {
        if (!stop.signal.aborted) this.#parts.logger.warn({ workload, digest, error }, 'a baseline is in memory only')
      } finally {
        this.#writing = undefined
        image.close()
      }
    }
  }

  #next(): Waiting | undefined {
    const [next] = this.#waiting.values()
    if (next !== undefined) this.#waiting.delete(next.workload)
    return next
  }

  async #write({ workload, digest, image }: Waiting, signal: AbortSignal): Promise<void> {
    const { store, perWorkload } = this.#parts
    await store.put(this.#partsOf(image, signal), { name: nameOf(workload, digest), chunks: 'pages', signal })
    for (const former of this.own(workload).slice(perWorkload)) {
      for (const { digest: object } of store.latest(nameOf(workload, former))) await store.delete(object)
    }
  }

  async *#partsOf(image: PageImage, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = (await this.#parts.images()).reader(image)
    try {
      yield writeRecord(image)
      for (const [region, { pageBytes }] of image.regions.entries()) {
        for (const pages of runsOf(image.endPage(region), pageBytes)) {
          await this.#quiet(signal)
          const startedMs = performance.now()
          const outcomes = new Uint8Array(pages.length).fill(OUTCOMES.unchanged)
          yield await reader.read({ ...WITHOUT_PAYLOAD, region, pageBytes, pages, outcomes })
          await sleep(PAUSE_TIMES * (performance.now() - startedMs), undefined, { signal })
        }
      }
    } finally {
      reader.close()
    }
  }

  async #quiet(signal: AbortSignal): Promise<void> {
    // Ends with the state on its way, or with the signal.
    while (performance.now() < this.#quietAtMs) await sleep(this.#quietAtMs - performance.now(), undefined, { signal })
  }

  async #read(object: Digest): Promise<PageImage | undefined> {
    const images = await this.#parts.images()
    await using base = await this.#parts.store.base(object)
    if (base === undefined) return undefined
    const { regions, endPages, lengthBytes } = await readRecord(base)
    const image = images.create(regions)
    const reader = images.reader(image)
    try {
      let at = lengthBytes
      for (const [region, { pageBytes }] of regions.entries()) {
        for (const pages of runsOf(endPages[region] ?? 0, pageBytes)) {
          const bytes = await base.read(at, pages.length * pageBytes)
          await reader.read({ ...WITHOUT_PAYLOAD, region, pageBytes, pages, ...contentOf(bytes, pageBytes) })
          at += bytes.length
        }
      }
      return image
    } catch (error) {
      image.close()
      throw error
    } finally {
      reader.close()
    }
  }
}

/** Which of these pages have content, and it. */
function contentOf(bytes: Uint8Array, pageBytes: number): { readonly outcomes: Uint8Array; readonly payload: Uint8Array } {
  const zeros = new Uint8Array(pageBytes)
  const outcomes = new Uint8Array(bytes.length / pageBytes)
  const contents: Uint8Array[] = []
  for (const index of outcomes.keys()) {
    const page = bytes.subarray(index * pageBytes, (index + 1) * pageBytes)
    if (Buffer.compare(page, zeros) === 0) outcomes[index] = OUTCOMES.zero
    else {
      outcomes[index] = OUTCOMES.full
      contents.push(page)
    }
  }
  return { outcomes, payload: Buffer.concat(contents) }
}

/** All pages below `endPage`, as many at a time as fit into one part. */
function* runsOf(endPage: number, pageBytes: number): Generator<Uint32Array, void, undefined> {
  const most = Math.max(1, PART_BYTES / pageBytes)
  for (let first = 0; first < endPage; first += most) {
    yield Uint32Array.from({ length: Math.min(most, endPage - first) }, (_, index) => first + index)
  }
}

/** Store names are of bounded length; those of workloads are not. */
function nameOf(workload: string, digest: Digest | ''): string {
  return `${KIND} ${createHash('sha256').update(workload).digest('hex').slice(0, WORKLOAD_DIGITS)} ${digest}`
}

function digestsIn(text: string): readonly Digest[] {
  return isDigest(text) ? [text] : []
}
