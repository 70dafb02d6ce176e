import { isDwcpError } from '@dwcp/interface'
import { codecBackend, zstdCompress, zstdDecompress } from '@dwcp/native-rdma/codec'
import type { Breathing } from './breathing.js'
import { CHECKSUM_BYTES, contentChecksum } from './checksum.js'
import { refused, tooLong } from './refusal.js'
import { storedFrame } from './stored-frame.js'

const DESCRIPTOR_AT = 4
/** In the frame header descriptor: a checksum of the content follows the last block. */
const CHECKSUM_FLAG = 0x04
/** The shortest block, one byte repeated, and the most that any block becomes. */
const BLOCK_MIN_BYTES = 4
const BLOCK_MAX_CONTENT_BYTES = 128 * 1024

/** Most that a frame may become, and the bound of the object that this follows from. */
export interface ContentBounds {
  readonly contentBytes: number
  readonly objectBytes: number
}

/**
 * A zstd frame behind `headBytes` bytes that are the caller's to fill. It ends with a checksum, as those of v1 nodes do: it is the only
 * one that a v1 packet has.
 */
export async function frameBehind(headBytes: number, content: Uint8Array, level: number, breathing: Breathing): Promise<Uint8Array> {
  const frame = codecBackend().zstd.canEncode ? await zstdCompress(content, { level }) : storedFrame(content)
  const checksum = await contentChecksum(content, breathing)
  const packet = new Uint8Array(headBytes + frame.length + CHECKSUM_BYTES)
  packet.set(frame, headBytes)
  packet.set(checksum, headBytes + frame.length)
  packet[headBytes + DESCRIPTOR_AT] = (frame[DESCRIPTOR_AT] ?? 0) | CHECKSUM_FLAG
  return packet
}

/** The content of exactly one frame, checked against its checksum where it has one, whatever decodes it. */
export async function frameContent(
  frame: Uint8Array,
  { contentBytes, objectBytes }: ContentBounds,
  breathing: Breathing,
): Promise<Uint8Array> {
  // A frame that claims more than its blocks can hold costs no memory.
  const possibleBytes = Math.floor(frame.length / BLOCK_MIN_BYTES) * BLOCK_MAX_CONTENT_BYTES
  const content = await decompressed(frame, Math.min(contentBytes, possibleBytes), possibleBytes, objectBytes)
  const hasChecksum = ((frame[DESCRIPTOR_AT] ?? 0) & CHECKSUM_FLAG) !== 0
  // libzstd has compared it already, on its own thread; the twin does not.
  if (!hasChecksum || codecBackend().zstd.kind === 'native') return content
  const checksum = await contentChecksum(content, breathing)
  if (Buffer.compare(checksum, frame.subarray(-CHECKSUM_BYTES)) === 0) return content
  throw refused('a zstd frame whose content is not what its checksum was made of')
}

async function decompressed(frame: Uint8Array, maxBytes: number, possibleBytes: number, objectBytes: number): Promise<Uint8Array> {
  try {
    return await zstdDecompress(frame, { maxBytes })
  } catch (cause) {
    if (isDwcpError(cause, 'ERR_NATIVE_CORRUPT')) throw refused('bytes that are not one zstd frame', {}, cause)
    if (!isDwcpError(cause, 'ERR_NATIVE_TOO_LARGE')) throw cause
    if (maxBytes === possibleBytes) throw refused(`${frame.length} bytes that claim to become more than ${maxBytes}`, {}, cause)
    throw tooLong(objectBytes, cause)
  }
}
