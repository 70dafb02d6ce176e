import { amstError } from '../errors.js'

/** One file of a pack; without bytes the sender could not read it as it was listed. */
export interface PackedFile {
  readonly entry: number
  readonly bytes: Uint8Array | undefined
}

/** Most bytes of an object that holds several files. */
export const PACK_BYTES_MAX = 4_194_304
const HEAD_BYTES = 9
const [HERE, NOT_HERE] = [0, 1] as const

export function encodePack(files: readonly PackedFile[]): Buffer {
  return Buffer.concat(
    files.flatMap(({ entry, bytes }) => {
      const head = Buffer.alloc(HEAD_BYTES)
      head.writeUInt32BE(entry, 0)
      head.writeUInt8(bytes ? HERE : NOT_HERE, 4)
      head.writeUInt32BE(bytes?.byteLength ?? 0, 5)
      return bytes ? [head, bytes] : [head]
    }),
  )
}

/** @throws `ERR_AMST_PROTOCOL` */
export function* decodePack(pack: Buffer): Generator<PackedFile, void, undefined> {
  for (let offset = 0; offset < pack.byteLength; ) {
    const start = offset + HEAD_BYTES
    const lengthBytes = start <= pack.byteLength ? pack.readUInt32BE(offset + 5) : 0
    const status = start <= pack.byteLength ? pack.readUInt8(offset + 4) : undefined
    const end = start + lengthBytes
    if (end > pack.byteLength || (status !== HERE && (status !== NOT_HERE || lengthBytes > 0)))
      throw amstError('ERR_AMST_PROTOCOL', 'a pack does not hold whole files')
    yield { entry: pack.readUInt32BE(offset), bytes: status === HERE ? pack.subarray(start, end) : undefined }
    offset = end
  }
}
