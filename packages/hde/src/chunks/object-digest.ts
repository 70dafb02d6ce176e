import type { Digest } from '@dwcp/interface'
import { loadBlake3, loadHash } from '@dwcp/native-rdma/hash'
import type { DigestKind } from './modes.js'

/** The digest of an object that comes in pieces. */
export interface ObjectDigest {
  update(bytes: Uint8Array, signal?: AbortSignal): Promise<void>
  digest(): Uint8Array
}

/** One digest of bytes in memory, for chunks and lists of them. */
export type DigestOf = (bytes: Uint8Array) => Uint8Array

export async function startObjectDigest(kind: DigestKind): Promise<ObjectDigest> {
  if (kind === 'blake3') {
    const stream = (await loadBlake3()).stream()
    return { update: (bytes, signal) => stream.update(bytes, signal === undefined ? {} : { signal }), digest: () => stream.digest() }
  }
  const stream = (await loadHash()).stream()
  return { update: async (bytes) => stream.update(bytes), digest: () => stream.digest() }
}

export async function loadDigestOf(kind: DigestKind): Promise<DigestOf> {
  if (kind === 'blake3') {
    const blake3 = await loadBlake3()
    return (bytes) => blake3.digest(bytes)
  }
  const hash = await loadHash()
  return (bytes) => hash.xxh3_128(bytes)
}

export function digestText(kind: DigestKind, digest: Uint8Array): Digest {
  return `${kind}:${Buffer.from(digest).toString('hex')}`
}

/** The bytes of a digest of `kind`; undefined for one of another kind. */
export function digestBytesOf(kind: DigestKind, digest: Digest): Uint8Array | undefined {
  const [found, hex = ''] = digest.split(':')
  return found === kind ? Buffer.from(hex, 'hex') : undefined
}
