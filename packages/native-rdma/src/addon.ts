import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Backend } from './backend.js'

declare const held: unique symbol

/** A native object: meaningless but to the addon, freed with the JavaScript value or its environment. */
export interface Held<Kind extends string> {
  readonly [held]: Kind
}

/** What the addon may or may not be able to do here. */
export type Capability = 'zstd' | 'dictionary' | 'lz4' | 'pages' | 'hash' | 'blake3' | 'chunk' | 'socket' | 'stream' | 'seal'

/** What native/addon.cc exports. Arguments are taken as they come: callers check them. Of `stop` see stoppable.ts. */
export interface Addon {
  readonly version: number
  library(name: Capability): {
    readonly usable: boolean
    readonly reason: string
  }
  /** Not initialised; undefined where there is no memory. */
  allocate(lengthBytes: number): Uint8Array<ArrayBuffer> | undefined
  zstdCompress(source: Uint8Array, prefix: Uint8Array, level: number, tableLogMax: number, stop?: Int32Array): Promise<Uint8Array>
  zstdDecompress(frame: Uint8Array, prefix: Uint8Array, maxBytes: number): Promise<Uint8Array>
  dictionaryTrain(samples: Uint8Array, lengths: Uint8Array, maxBytes: number): Promise<Uint8Array>
  dictionaryCompress(source: Uint8Array, dictionary: Uint8Array, level: number): Promise<Uint8Array>
  dictionaryDecompress(frame: Uint8Array, dictionary: Uint8Array, maxBytes: number): Promise<Uint8Array>
  lz4Compress(source: Uint8Array, prefix: Uint8Array): Promise<Uint8Array>
  lz4Decompress(block: Uint8Array, prefix: Uint8Array, lengthBytes: number): Promise<Uint8Array>
  match(target: Uint8Array, base: Uint8Array, position: number, effort: number, stop?: Int32Array): Promise<Uint8Array>
  apply(script: Uint8Array, base: Uint8Array, position: number, lengthBytes: number, stop?: Int32Array): Promise<Uint8Array>
  reference(script: Uint8Array, base: Uint8Array, position: number, lengthBytes: number, literalBytes: number): Promise<Uint8Array>
  pageDeltaEncode(newPages: Uint8Array, oldPages: Uint8Array, pageBytes: number, level: number): Promise<Uint8Array>
  pageDeltaApply(delta: Uint8Array, pages: Uint8Array, count: number, pageBytes: number): Promise<Uint8Array>
  scanPages(oldPages: Uint8Array, newPages: Uint8Array, pageBytes: number, kinds: Uint8Array): void
  tagPages(pages: Uint8Array, pageBytes: number, tags: Uint32Array): void
  imageCreate(shapes: Float64Array): Held<'image'>
  imageFork(origin: Held<'image'>, shapes: Float64Array, others: readonly Held<'image'>[]): Held<'image'>
  imageClose(image: Held<'image'>): void
  imageKeep(image: Held<'image'>): number
  imageUnkeep(image: Held<'image'>): number
  imageLength(image: Held<'image'>): number
  imageCountKnown(pages: Uint8Array, nothing: Uint8Array, image: Held<'image'>, pageBytes: number): Promise<Uint8Array>
  readerCreate(image: Held<'image'> | undefined): Held<'reader'>
  readerClose(reader: Held<'reader'>): void
  /** Into `memory`, or where that is empty into what it gives. No `check` is empty too. */
  readerRead(
    payload: Uint8Array,
    memory: Uint8Array,
    reader: Held<'reader'>,
    region: number,
    pageBytes: number,
    pages: Uint32Array,
    outcomes: Uint8Array,
    references: Uint32Array,
    sources: Uint32Array,
    method: number,
    head: Uint8Array,
    check: Uint8Array,
    stop?: Int32Array,
  ): Promise<Uint8Array>
  batchCreate(image: Held<'image'> | undefined): Held<'batch'>
  batchClose(batch: Held<'batch'>): void
  batchTake(
    pages: Uint8Array,
    numbers: Uint8Array,
    batch: Held<'batch'>,
    region: number,
    pageBytes: number,
    zeros: boolean,
    duplicates: boolean,
    delta: boolean,
    changedPages: number,
    stop?: Int32Array,
  ): Promise<Uint8Array>
  batchPack(
    nothing: Uint8Array,
    none: Uint8Array,
    batch: Held<'batch'>,
    method: number,
    level: number,
    spareBytes: number,
    stop?: Int32Array,
  ): Promise<Uint8Array>
  batchSample(batch: Held<'batch'>, now: Uint8Array, old: Uint8Array, pageBytes: number): number
  hash(bytes: Uint8Array, digest: Uint8Array): void
  hashPages(bytes: Uint8Array, pageBytes: number, digests: Uint8Array): void
  hashStreamCreate(): Held<'hash'> | undefined
  hashStreamUpdate(stream: Held<'hash'>, bytes: Uint8Array): void
  hashStreamDigest(stream: Held<'hash'>, digest: Uint8Array): void
  readonly blake3StateBytes: number
  blake3(bytes: Uint8Array, digest: Uint8Array): void
  blake3Update(bytes: Uint8Array, state: Uint8Array, stop?: Int32Array): Promise<Uint8Array>
  blake3Digest(state: Uint8Array, digest: Uint8Array): void
  chunk(
    bytes: Uint8Array,
    nothing: Uint8Array,
    leastBytes: number,
    averageBytes: number,
    mostBytes: number,
    isLast: boolean,
    digests: number,
    stop?: Int32Array,
  ): Promise<Uint8Array>
  setCongestionControl(fd: number, name: string): boolean
  getCongestionControl(fd: number): string
  setMaxPacingRate(fd: number, bytesPerSecond: number): boolean
  setNotSentLowWater(fd: number, bytes: number): boolean
  tcpInfo(fd: number): Float64Array | undefined
  dirtyPagesStart(memory: ArrayBuffer): Held<'memory'> | string
  dirtyPagesCollect(tracker: Held<'memory'>, memory: ArrayBuffer): Uint32Array | string
  dirtyPagesStop(tracker: Held<'memory'>): void
  /** A string says why not. `rooms`: by type of frame, 0 or what a body may have and 1. The bytes of `received` are copied. */
  streamOpen(
    fd: number,
    rooms: Uint32Array,
    receiveQueueBytes: number,
    sendQueueBytes: number,
    received: Uint8Array,
    sendSecret: Uint8Array | undefined,
    receiveSecret: Uint8Array | undefined,
    rekeyBytes: number,
    notify: () => void,
  ): Held<'stream'> | string
  /** Reads `body` until the frame is counted as sent, or the stream is closed. */
  streamWrite(
    stream: Held<'stream'>,
    type: number,
    id: number,
    sequence: number,
    ack: number,
    body: Uint8Array,
    digest: Uint8Array | undefined,
  ): void
  /** Puts bodies into `bodies`. @returns frames sent, end, error of the system; then of each frame type, id, sequence, ack, intact, and its digest's bytes. */
  streamTake(stream: Held<'stream'>, wantsFrames: boolean, bodies: ArrayBuffer[]): Uint32Array
  streamEnd(stream: Held<'stream'>): void
  streamClose(stream: Held<'stream'>): void
  /** Descriptor, bytes sent, bytes received. */
  streamCounts(stream: Held<'stream'>): Float64Array
  streamGiveBack(body: ArrayBuffer): void
}

/** Of native/addon.cc: another value means a build of other sources. */
const BINDING_VERSION = 13
const PACKAGE_NAME = '@dwcp/native-rdma'

type Loaded = { readonly addon: Addon } | { readonly problem: string }

let loaded: Loaded | undefined

/** The addon, opened when first asked for, or why there is none. Never throws. */
export function loadAddon(): Loaded {
  loaded ??= process.env['DWCP_NATIVE'] === 'off' ? { problem: 'DWCP_NATIVE=off' } : open()
  return loaded
}

/** The addon if it offers `name`, with the {@link Backend} that says so or why not. */
export function addonWith(name: Capability): {
  readonly backend: Backend
  readonly addon?: Addon
} {
  const found = loadAddon()
  if ('problem' in found) return { backend: { kind: 'js', reason: `no addon: ${found.problem}` } }
  const { usable, reason } = found.addon.library(name)
  return usable ? { backend: { kind: 'native', reason }, addon: found.addon } : { backend: { kind: 'js', reason } }
}

function open(): Loaded {
  try {
    const root = packageRoot(dirname(fileURLToPath(import.meta.url)))
    if (root === undefined) return { problem: `${PACKAGE_NAME} was bundled away from its folder; keep it external to the bundle` }
    const locator = createRequire(import.meta.url)('node-gyp-build') as { path(directory: string): string }
    const module = { exports: {} }
    process.dlopen(module, locator.path(root), dlopenFlags())
    const addon = module.exports as Addon
    if (addon.version !== BINDING_VERSION) return { problem: `it was built from other sources (binding ${addon.version}); build again` }
    return { addon }
  } catch (error) {
    return { problem: error instanceof Error ? (error.message.split('\n', 1)[0] ?? error.message) : String(error) }
  }
}

/** DEEPBIND: what the addon opens must not bind to the symbols that node itself exports (Node 24 has its own ZSTD_*). */
function dlopenFlags(): number {
  const { RTLD_NOW = 0, RTLD_DEEPBIND = 0 }: Partial<Record<string, number>> = constants.dlopen
  return RTLD_NOW | RTLD_DEEPBIND
}

/** The same from src/*.ts, dist/*.js and dist/*.cjs. */
function packageRoot(from: string): string | undefined {
  // Bounded by the depth of the folder: the root is its own parent.
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === PACKAGE_NAME) return folder
    if (folder === dirname(folder)) return undefined
  }
}
