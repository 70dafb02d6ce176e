import { createHash } from 'node:crypto'
import { amstError } from '../errors.js'

/** What comes before a manifest: where the tree goes, and how it is compared. */
export interface TreeOffer {
  /** Files come with digests, and those count instead of times. */
  readonly comparesContents: boolean
  /** From the root of what the receiver serves. */
  readonly directory: Buffer
}

/** Which trees are asked for, with `up` from the root of what is served. */
export interface TreeQuestion {
  readonly comparesContents: boolean
  readonly resumes: boolean
  readonly paths: readonly Buffer[]
}

const VERSION = 1
const [COMPARES_CONTENTS, RESUMES] = [1, 2] as const
const HEAD_BYTES = 2

export const encodeOffer = ({ comparesContents, directory }: TreeOffer): Buffer =>
  Buffer.concat([Buffer.of(VERSION, comparesContents ? COMPARES_CONTENTS : 0), directory])

/** @throws `ERR_AMST_PROTOCOL`, `ERR_AMST_VERSION` */
export function decodeOffer(metadata: Uint8Array): TreeOffer {
  const flags = flagsOf(metadata)
  return { comparesContents: (flags & COMPARES_CONTENTS) !== 0, directory: Buffer.from(metadata.subarray(HEAD_BYTES)) }
}

export function encodeQuestion({ comparesContents, resumes, paths }: TreeQuestion): Buffer {
  const flags = (comparesContents ? COMPARES_CONTENTS : 0) | (resumes ? RESUMES : 0)
  const parts = paths.flatMap((path) => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(path.byteLength)
    return [length, path]
  })
  return Buffer.concat([Buffer.of(VERSION, flags), ...parts])
}

/** @throws `ERR_AMST_PROTOCOL`, `ERR_AMST_VERSION` */
export function decodeQuestion(payload: Uint8Array): TreeQuestion {
  const flags = flagsOf(payload)
  const bytes = Buffer.from(payload)
  const paths: Buffer[] = []
  for (let offset = HEAD_BYTES; offset < bytes.byteLength; ) {
    const start = offset + 2
    const end = start <= bytes.byteLength ? start + bytes.readUInt16BE(offset) : Number.POSITIVE_INFINITY
    if (end > bytes.byteLength) throw amstError('ERR_AMST_PROTOCOL', 'a question for trees ends within a path')
    paths.push(bytes.subarray(start, end))
    offset = end
  }
  return { comparesContents: (flags & COMPARES_CONTENTS) !== 0, resumes: (flags & RESUMES) !== 0, paths }
}

function flagsOf(bytes: Uint8Array): number {
  const [version, flags] = bytes
  if (version === undefined || flags === undefined) throw amstError('ERR_AMST_PROTOCOL', 'an offer or question of trees is cut short')
  if (version !== VERSION)
    throw amstError('ERR_AMST_VERSION', `trees of version ${version}: this end knows ${VERSION}, update the older one`)
  return flags
}

/** What a file is resumed by: another file, or another state of it, has another key. */
export function resumeKey(directory: Buffer, path: Buffer, sizeBytes: number, mtimeNs: bigint): string {
  const state = Buffer.alloc(16)
  state.writeBigUInt64BE(BigInt(sizeBytes))
  state.writeBigInt64BE(mtimeNs, 8)
  return createHash('sha256').update(directory).update('\0').update(path).update('\0').update(state).digest('hex').slice(0, 32)
}
