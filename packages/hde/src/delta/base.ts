import { type FileHandle, open } from 'node:fs/promises'
import { allocateBytes } from '@dwcp/native-rdma/delta'
import { baseLength } from './base-length.js'

/**
 * Content that can be read anywhere: a base that both sides hold, or an object to be encoded. It must not change while it is in
 * use: if it does, decoding fails on a digest and never gives wrong bytes.
 *
 * @public
 */
export interface DeltaBase extends AsyncDisposable {
  readonly lengthBytes: number
  /** Exactly `lengthBytes` bytes from `offset`, which lie within the base. */
  read(offset: number, lengthBytes: number): Promise<Uint8Array>
}

/**
 * A base in memory.
 *
 * @public
 */
export function bytesBase(bytes: Uint8Array): DeltaBase {
  return {
    lengthBytes: bytes.length,
    read: async (offset, lengthBytes) => bytes.subarray(offset, offset + lengthBytes),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/**
 * A base on disk, of any size: a file or a block device; closed by its disposal.
 *
 * @throws what opening the file throws; `TypeError` for a pipe, a terminal or a directory; from `read`, `RangeError` where the file has become shorter.
 * @public
 */
export async function fileBase(path: string): Promise<DeltaBase> {
  const file = await open(path, 'r')
  try {
    const lengthBytes = await baseLength(file, path)
    return {
      lengthBytes,
      read: (offset, length) => readExactly(file, path, offset, length),
      [Symbol.asyncDispose]: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/**
 * Several bases as one, in the given order, which both sides must share. Disposal disposes all.
 *
 * @public
 */
export function joinedBase(bases: readonly DeltaBase[]): DeltaBase {
  const [only, second] = bases
  if (only !== undefined && second === undefined) return only
  const starts = startsOf(bases)
  return {
    lengthBytes: starts[bases.length] ?? 0,
    async read(offset, lengthBytes) {
      const joined = Buffer.allocUnsafeSlow(lengthBytes)
      const end = offset + lengthBytes
      for (let index = partAt(starts, offset); index < bases.length && (starts[index] ?? 0) < end; index += 1) {
        const start = starts[index] ?? 0
        const from = Math.max(offset, start)
        const to = Math.min(end, starts[index + 1] ?? 0)
        const bytes = await bases[index]?.read(from - start, to - from)
        if (bytes !== undefined) joined.set(bytes, from - offset)
      }
      return joined
    },
    async [Symbol.asyncDispose]() {
      for (const base of bases) await base[Symbol.asyncDispose]()
    },
  }
}

/** Where each part begins, one behind the other, and where the last ends. */
export function startsOf(parts: readonly { readonly lengthBytes: number }[]): Float64Array {
  const starts = new Float64Array(parts.length + 1)
  for (const [index, { lengthBytes }] of parts.entries()) starts[index + 1] = (starts[index] ?? 0) + lengthBytes
  return starts
}

/** The part that a place is in. */
export function partAt(starts: Float64Array, offset: number): number {
  let [low, high] = [0, starts.length - 1]
  while (low + 1 < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle
  }
  return low
}

/** One read of the system takes at most 2 GiB less a page. */
const READ_BYTES = 1 << 28

async function readExactly(file: FileHandle, path: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
  const bytes = allocateBytes(lengthBytes)
  for (let done = 0; done < lengthBytes; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(READ_BYTES, lengthBytes - done), offset + done)
    if (bytesRead === 0) throw new RangeError(`${path} has become shorter while it was read: ${offset + done} bytes are left`)
    done += bytesRead
  }
  return bytes
}
