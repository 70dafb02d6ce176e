import { randomBytes } from 'node:crypto'
import { decompress } from 'fzstd'
import { corrupt, outOfMemory, tooLarge } from './errors.js'
import type { ZstdFrame } from './zstd-frame.js'

/** Magic number, no flags, and a window of 128 KiB: fzstd ignores the window where it is given the output. */
const HEADER = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38)
const MAX_BLOCK_BYTES = 128 << 10
/** Random, so that no frame can imitate it. */
const END_MARK = randomBytes(16)

/**
 * Decodes with fzstd, which by itself is silently wrong twice: it knows no prefix, and it leaves zeros where a frame holds less
 * than it declares. So it gets a frame made here: the prefix as raw blocks, the blocks of `frame`, and a mark, whose place in the
 * output tells how much was decoded. The content checksum is not verified.
 */
export function decompressWithFzstd(frame: Uint8Array, shape: ZstdFrame, maxBytes: number, prefix: Uint8Array): Uint8Array {
  const capacity = Math.min(shape.contentBytes ?? shape.boundBytes, maxBytes)
  const output = allocate(prefix.length + capacity + END_MARK.length)
  try {
    decompress(synthesise(frame.subarray(shape.blocksStart, shape.blocksEnd), prefix), output)
  } catch (error) {
    const limited = shape.contentBytes === undefined && capacity === maxBytes && error instanceof RangeError
    if (limited) throw tooLarge('a zstd frame', maxBytes, 'it decodes to more')
    throw corrupt('a zstd frame', error instanceof Error ? error.message : String(error), error)
  }
  const end = Buffer.from(output.buffer).lastIndexOf(END_MARK)
  const length = end - prefix.length
  if (end < prefix.length) {
    if (shape.contentBytes === undefined && capacity === maxBytes) throw tooLarge('a zstd frame', maxBytes, 'it decodes to more')
    throw corrupt('a zstd frame', 'its blocks hold more than it declares')
  }
  if (shape.contentBytes !== undefined && length !== shape.contentBytes) {
    throw corrupt('a zstd frame', `it declares ${shape.contentBytes} bytes and holds ${length}`)
  }
  return output.subarray(prefix.length, end)
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes)
  } catch {
    throw outOfMemory('zstd', `no memory for ${bytes} bytes`)
  }
}

function synthesise(blocks: Uint8Array, prefix: Uint8Array): Uint8Array {
  const rawBlocks = Math.ceil(prefix.length / MAX_BLOCK_BYTES)
  const frame = allocate(HEADER.length + 3 * rawBlocks + prefix.length + blocks.length + 3 + END_MARK.length)
  frame.set(HEADER)
  let at = HEADER.length
  for (let from = 0; from < prefix.length; from += MAX_BLOCK_BYTES) {
    at = putRawBlock(frame, at, prefix.subarray(from, from + MAX_BLOCK_BYTES), false)
  }
  frame.set(blocks, at)
  clearLastFlag(frame, at, blocks.length)
  putRawBlock(frame, at + blocks.length, END_MARK, true)
  return frame
}

function putRawBlock(frame: Uint8Array, at: number, bytes: Uint8Array, isLast: boolean): number {
  const header = (bytes.length << 3) | (isLast ? 1 : 0)
  frame.set([header & 0xff, (header >> 8) & 0xff, header >> 16], at)
  frame.set(bytes, at + 3)
  return at + 3 + bytes.length
}

/** The mark follows what was the last block. */
function clearLastFlag(frame: Uint8Array, from: number, length: number): void {
  for (let at = from; at < from + length; ) {
    const [low = 0, middle = 0, high = 0] = frame.subarray(at, at + 3)
    if (low & 1) {
      frame[at] = low & 0xfe
      return
    }
    const size = (low | (middle << 8) | (high << 16)) >>> 3
    at += 3 + (((low >> 1) & 3) === 1 ? 1 : size)
  }
}
