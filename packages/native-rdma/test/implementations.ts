import { addonWith } from '../src/addon.ts'
import type { Lz4Codec, ZstdCodec } from '../src/codec-backend.ts'
import type { Codecs } from '../src/codec-choice.ts'
import { javaScriptLz4, javaScriptZstd } from '../src/codec-js.ts'
import { nativeLz4, nativeZstd } from '../src/codec-native.ts'
import { applyPageDeltaJs } from '../src/page-delta-apply.ts'
import { encodePageDeltaJs } from '../src/page-delta-encode.ts'
import { settle } from '../src/settle.ts'
import { nodeZstd } from '../src/zstd-zlib.ts'

/** Loudly: what a run of the tests did not cover. */
export function say(text: string): void {
  process.stderr.write(`@dwcp/native-rdma: ${text}\n`)
}

const node = nodeZstd()
const zstd = addonWith('zstd')
const lz4 = addonWith('lz4')
for (const { backend } of [zstd, lz4, addonWith('hash')]) {
  if (backend.kind === 'js') say(`TESTED WITHOUT A NATIVE BACKEND: ${backend.reason}`)
}

/** Every implementation that this host has; test/core.test.ts fails in CI where the native ones are missing. */
export const zstdCodecs: readonly ZstdCodec[] = [
  ...(zstd.addon ? [nativeZstd(zstd.addon, zstd.backend)] : []),
  javaScriptZstd('asked for', undefined),
  ...(node ? [javaScriptZstd('asked for, by zlib', node)] : []),
]

export const lz4Codecs: readonly Lz4Codec[] = [...(lz4.addon ? [nativeLz4(lz4.addon, lz4.backend)] : []), javaScriptLz4('asked for')]

export interface PageDeltas {
  readonly name: string
  encode(newPages: Uint8Array, oldPages: Uint8Array, pageBytes: number, level: number): Promise<Uint8Array>
  apply(delta: Uint8Array, pages: Uint8Array, count: number, pageBytes: number): Promise<Uint8Array>
}

function javaScriptPageDeltas(name: string, codecs: Codecs): PageDeltas {
  return {
    name: `js ${name}`,
    encode: (newPages, oldPages, pageBytes, level) => encodePageDeltaJs(codecs, newPages, oldPages, pageBytes, level),
    apply: (delta, pages, count, pageBytes) => applyPageDeltaJs(codecs, delta, pages, count, pageBytes),
  }
}

const pages = addonWith('pages').addon
const javaScriptOnly: Codecs = { zstd: javaScriptZstd('asked for', undefined), lz4: javaScriptLz4('asked for') }

/** The kernel, and its twin on codecs that have no zstd to encode with, on Node's, and on the native ones. */
export const pageDeltas: readonly PageDeltas[] = [
  ...(pages
    ? [
        {
          name: 'the kernel',
          encode: (now: Uint8Array, old: Uint8Array, pageBytes: number, level: number) =>
            settle('a page delta', 0, pages.pageDeltaEncode(now, old, pageBytes, level)),
          apply: (delta: Uint8Array, held: Uint8Array, count: number, pageBytes: number) =>
            settle('a page delta', 0, pages.pageDeltaApply(delta, held, count, pageBytes)),
        },
      ]
    : []),
  javaScriptPageDeltas('with LZ4', javaScriptOnly),
  ...(node ? [javaScriptPageDeltas('with zlib', { ...javaScriptOnly, zstd: javaScriptZstd('asked for', node) })] : []),
  ...(zstd.addon ? [javaScriptPageDeltas('with libzstd', { ...javaScriptOnly, zstd: nativeZstd(zstd.addon, zstd.backend) })] : []),
]

/** Uniform 32-bit integers from a seed (xorshift32). */
export function seeded(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Bytes that compress like program state: runs, repeats at a distance, and noise. */
export function stateLike(lengthBytes: number, next: () => number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  for (let at = 0; at < lengthBytes; ) {
    const length = Math.min((next() % 300) + 1, lengthBytes - at)
    const kind = next() % 4
    if (kind === 0) bytes.fill(next() & 255, at, at + length)
    else if (kind === 1 && at > 0) bytes.copyWithin(at, next() % at, (next() % at) + length)
    else if (kind === 2) for (let i = 0; i < length; i += 1) bytes[at + i] = next() & 255
    at += length
  }
  return bytes
}
