import { amstError } from '../errors.js'
import { checkName } from './names.js'

/** What is at one place of a tree. Names are bytes, as the system has them; times are of the last modification. */
export type TreeEntry =
  | { readonly kind: 'directory'; readonly name: Buffer; readonly mode: number; readonly mtimeNs: bigint }
  | FileEntry
  | { readonly kind: 'symlink'; readonly name: Buffer; readonly mtimeNs: bigint; readonly target: Buffer }
  /** Another name of a file that came before, by its path from the tree's root. */
  | { readonly kind: 'link'; readonly name: Buffer; readonly target: Buffer }
  /** The directory that was entered last is complete. */
  | { readonly kind: 'up' }

export interface FileEntry {
  readonly kind: 'file'
  readonly name: Buffer
  readonly mode: number
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  /** Links to it may follow. */
  readonly isLinked: boolean
  /** XXH3-128 of what is in it, where contents are compared. */
  readonly digest?: Uint8Array
}

const [UP, DIRECTORY, FILE, SYMLINK, LINK] = [0, 1, 2, 3, 4] as const
const LINKED = 0x8000
const MODE_BITS = 0o777
const NAME_OFFSET = 12
const DIGEST_BYTES = 16
/** Of a symbolic link's target, or a path: what Linux takes. */
const TARGET_BYTES_MAX = 4095

export function encodeEntry(entry: TreeEntry): Buffer {
  switch (entry.kind) {
    case 'up':
      return Buffer.of(UP)
    case 'directory':
      return head(DIRECTORY, entry.mode, entry.mtimeNs, entry.name)
    case 'file': {
      const size = Buffer.alloc(8)
      size.writeBigUInt64BE(BigInt(entry.sizeBytes))
      const mode = entry.mode | (entry.isLinked ? LINKED : 0)
      return Buffer.concat([head(FILE, mode, entry.mtimeNs, entry.name), size, entry.digest ?? Buffer.alloc(0)])
    }
    case 'symlink':
      return Buffer.concat([head(SYMLINK, 0, entry.mtimeNs, entry.name), entry.target])
    case 'link':
      return Buffer.concat([head(LINK, 0, 0n, entry.name), entry.target])
  }
}

function head(type: number, mode: number, mtimeNs: bigint, name: Buffer): Buffer {
  const bytes = Buffer.alloc(NAME_OFFSET)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt16BE(mode, 1)
  bytes.writeBigInt64BE(mtimeNs, 3)
  bytes.writeUInt8(name.byteLength, 11)
  return Buffer.concat([bytes, name])
}

/**
 * @param hasDigests - Whether files come with the digest of what is in them.
 * @throws `ERR_AMST_PROTOCOL` for what is no entry, `ERR_AMST_PATH` for a name that is none.
 */
export function decodeEntry(record: Buffer, hasDigests: boolean): TreeEntry {
  if (record.byteLength === 1 && record[0] === UP) return { kind: 'up' }
  if (record.byteLength < NAME_OFFSET) throw noEntry('it is too short')
  const type = record.readUInt8(0)
  const mode = record.readUInt16BE(1)
  const mtimeNs = record.readBigInt64BE(3)
  const end = NAME_OFFSET + record.readUInt8(11)
  if (end > record.byteLength) throw noEntry('it ends within its name')
  // A copy: what is kept of an entry must not keep the chunk that it came in.
  const name = Buffer.from(checkName(record.subarray(NAME_OFFSET, end)))
  const rest = record.subarray(end)
  switch (type) {
    case DIRECTORY:
      if (rest.byteLength > 0) throw noEntry('bytes follow a directory')
      return { kind: 'directory', name, mode: mode & MODE_BITS, mtimeNs }
    case FILE: {
      if (rest.byteLength !== 8 + (hasDigests ? DIGEST_BYTES : 0)) throw noEntry('a file has a size, and a digest where they are compared')
      const size = rest.readBigUInt64BE(0)
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw noEntry(`a file of ${size} bytes`)
      const digest = hasDigests ? { digest: Uint8Array.from(rest.subarray(8)) } : {}
      return { kind: 'file', name, mode: mode & MODE_BITS, mtimeNs, sizeBytes: Number(size), isLinked: (mode & LINKED) !== 0, ...digest }
    }
    case SYMLINK:
    case LINK: {
      if (rest.byteLength === 0 || rest.byteLength > TARGET_BYTES_MAX || rest.includes(0))
        throw noEntry(`a link to ${rest.byteLength} bytes`)
      const target = Buffer.from(rest)
      return type === LINK ? { kind: 'link', name, target } : { kind: 'symlink', name, mtimeNs, target }
    }
    default:
      throw noEntry(`type ${type}`)
  }
}

const noEntry = (why: string): Error => amstError('ERR_AMST_PROTOCOL', `a record of a manifest is no entry: ${why}`)
