import { isDwcpError } from '@dwcp/interface'
import type { DeltaStreams } from '@dwcp/native-rdma/delta'
import type { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { corrupt, pastLimit } from '../errors.js'
import { CODECS, checkMethod, methodOf, OLD_USES, oldUseOf, type Packed, unpack } from '../packing.js'
import { framed, HASH_BYTES, KINDS } from './format.js'
import type { DeltaKernels } from './kernels.js'
import { type Effort, literalLevelOf } from './levels.js'
import { packStream } from './packing.js'

/** Operations and patches come before literals: the reference that describes these follows from the operations. */
export const STREAM_ORDER = ['literalLengths', 'copyLengths', 'shifts', 'patchGaps', 'patchValues', 'literals'] as const
const NOTHING = new Uint8Array()

/** A piece of the target, and the part of the base that it is described by. */
export interface BlockPlace {
  readonly lengthBytes: number
  readonly windowOffset: number
  readonly windowBytes: number
  /** Where the block would begin in the window if nothing had moved. */
  readonly position: number
}

export interface EncodedBlock {
  readonly frame: Uint8Array
  readonly hash: Uint8Array
  readonly literalBytes: number
  readonly patchBytes: number
}

export async function encodeBlock(
  kernels: DeltaKernels,
  block: Uint8Array,
  window: Uint8Array,
  place: BlockPlace,
  effort: Effort,
  stopping: { readonly signal?: AbortSignal },
): Promise<EncodedBlock> {
  const matched = await kernels.match(block, window, { position: place.position, effort: effort.match, ...stopping })
  const streams =
    STREAM_ORDER.reduce((sum, name) => sum + matched[name].length, 0) <= mostStreamsBytes(block.length) ? matched : allLiteral(block)
  const reference = kernels.zstdPrefix ? await referenceFor(kernels, streams, window, place, effort.referenceBytes) : NOTHING
  const options = { tableLogMax: effort.tableLogMax, ...stopping }
  const searched = literalLevelOf(effort, {
    literalBytes: streams.literals.length,
    referenceBytes: reference.length,
    blockBytes: block.length,
  })
  // What has no pattern costs a high level all its time, and gives nothing.
  const isWorthIt = searched <= PLAIN_LEVEL || reference.length > 0 || (await compresses(kernels, streams.literals))
  const literalLevel = isWorthIt ? searched : PLAIN_LEVEL
  const packed = await Promise.all(
    STREAM_ORDER.map((name) =>
      name === 'literals'
        ? packStream(kernels, streams.literals, reference, literalLevel, options)
        : packStream(kernels, streams[name], NOTHING, effort.zstdLevel, options),
    ),
  )
  const head = new ByteWriter()
  head.byte(KINDS.block)
  head.varint(place.lengthBytes)
  head.varint(place.windowOffset)
  head.varint(place.windowBytes)
  head.zigzag(place.position)
  for (const [index, name] of STREAM_ORDER.entries()) {
    head.varint(streams[name].length)
    head.byte(packed[index]?.method ?? 0)
    head.varint(packed[index]?.bytes.length ?? 0)
  }
  const hash = kernels.hash.xxh3_128(block)
  return {
    frame: framed(head.view(), [...packed.map(({ bytes }) => bytes), hash]),
    hash,
    literalBytes: streams.literals.length,
    patchBytes: streams.patchGaps.length + streams.patchValues.length,
  }
}

/** Empty where it would be longer than `mostBytes`, mostly without making it: all that was copied leaves at least the rest of the window. */
async function referenceFor(
  kernels: DeltaKernels,
  streams: DeltaStreams,
  window: Uint8Array,
  place: BlockPlace,
  mostBytes: number,
): Promise<Uint8Array> {
  const literalBytes = streams.literals.length
  if (window.length - (place.lengthBytes - literalBytes) > mostBytes) return NOTHING
  const reference = await kernels.reference(streams, window, { ...place, literalBytes })
  return reference.length > mostBytes ? NOTHING : reference
}

/** Of zstd: what has no pattern passes through it quickly. */
const PLAIN_LEVEL = 3
const SAMPLE_PIECES = 8
const SAMPLE_PIECE_BYTES = 32 * 1024

/** Whether pieces at even distances become shorter; short literals always do. */
async function compresses(kernels: DeltaKernels, literals: Uint8Array): Promise<boolean> {
  const step = Math.floor(literals.length / SAMPLE_PIECES)
  if (step <= SAMPLE_PIECE_BYTES || !kernels.zstdEncodes) return true
  const pieces = Array.from({ length: SAMPLE_PIECES }, (_, piece) => literals.subarray(piece * step, piece * step + SAMPLE_PIECE_BYTES))
  const sample = Buffer.concat(pieces)
  return (await kernels.zstdCompress(sample, { level: 1 })).length < sample.length * 0.98
}

/** What a decoder makes room for. A block may well need more when nothing in it is quite like the base: it is not worth a delta. */
function mostStreamsBytes(blockBytes: number): number {
  return 2 * blockBytes + 64
}

function allLiteral(block: Uint8Array): DeltaStreams {
  const length = new ByteWriter()
  length.varint(block.length)
  return {
    literalLengths: length.view(),
    copyLengths: NOTHING,
    shifts: NOTHING,
    literals: block,
    patchGaps: NOTHING,
    patchValues: NOTHING,
  }
}

export interface BlockHead {
  readonly place: BlockPlace
  readonly lengths: readonly number[]
  readonly packed: readonly Packed[]
  readonly hash: Uint8Array
}

/** Everything that can be refused before anything is allocated. `reader` stands behind the kind. */
export function readBlock(
  reader: ByteReader,
  baseBytes: number,
  limits: { readonly blockBytes: number; readonly windowBytes: number },
): BlockHead {
  const place = { lengthBytes: reader.varint(), windowOffset: reader.varint(), windowBytes: reader.varint(), position: reader.zigzag() }
  if (place.lengthBytes === 0) throw corrupt('an empty block')
  if (place.lengthBytes > limits.blockBytes)
    throw pastLimit('the length of a block', place.lengthBytes, limits.blockBytes, 'raise limits.blockBytes')
  if (place.windowBytes > limits.windowBytes)
    throw pastLimit('a base window', place.windowBytes, limits.windowBytes, 'raise limits.windowBytes')
  if (place.windowOffset + place.windowBytes > baseBytes) throw corrupt('a window past the end of the base')
  const heads = STREAM_ORDER.map((name) => {
    const head = { lengthBytes: reader.varint(), method: reader.byte(), packedBytes: reader.varint() }
    checkMethod(head.method, name === 'literals')
    return head
  })
  const streamsBytes = heads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
  if (streamsBytes > mostStreamsBytes(place.lengthBytes))
    throw corrupt(`streams of ${streamsBytes} bytes for a block of ${place.lengthBytes}`)
  const packed = heads.map(({ method, packedBytes }) => ({ method, bytes: reader.take(packedBytes) }))
  const hash = reader.take(HASH_BYTES)
  reader.end()
  return { place, lengths: heads.map(({ lengthBytes }) => lengthBytes), packed, hash }
}

/** @returns the block; `ERR_HDE_CORRUPT` where the streams or the base are not what the encoder had. */
export async function decodeBlock(
  kernels: DeltaKernels,
  { place, lengths, packed, hash }: BlockHead,
  window: Uint8Array,
  stopping: { readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  const plain = (index: number, reference: Uint8Array): Promise<Uint8Array> =>
    unpack(kernels, packed[index] ?? { method: methodOf(CODECS.raw, OLD_USES.none), bytes: NOTHING }, reference, lengths[index] ?? 0)
  const [literalLengths = NOTHING, copyLengths = NOTHING, shifts = NOTHING, patchGaps = NOTHING, patchValues = NOTHING] = await Promise.all(
    [0, 1, 2, 3, 4].map((index) => plain(index, NOTHING)),
  )
  const operations = { literalLengths, copyLengths, shifts }
  const usesReference = oldUseOf(packed[5]?.method ?? 0) === OLD_USES.prefix
  const literalBytes = lengths[5] ?? 0
  const reference = usesReference ? await fitting(kernels.reference(operations, window, { ...place, literalBytes })) : NOTHING
  const literals = await plain(5, reference)
  const streams: DeltaStreams = { ...operations, literals, patchGaps, patchValues }
  const block = await fitting(kernels.apply(streams, window, { ...place, ...stopping }))
  if (Buffer.compare(kernels.hash.xxh3_128(block), hash) !== 0) {
    throw corrupt('a block does not have the digest it was sent with: it, or the base, is not what the encoder had')
  }
  return block
}

async function fitting(work: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await work
  } catch (error) {
    throw isDwcpError(error, 'ERR_NATIVE_CORRUPT') ? corrupt('a block whose operations do not fit', {}, error) : error
  }
}
