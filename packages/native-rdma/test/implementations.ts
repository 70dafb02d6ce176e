import { addonWith } from '../src/addon.ts'
import type { Lz4Codec, ZstdCodec } from '../src/codec-backend.ts'
import { javaScriptLz4, javaScriptZstd } from '../src/codec-js.ts'
import { nativeLz4, nativeZstd } from '../src/codec-native.ts'
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
