import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import type { Hash } from '@dwcp/native-rdma/hash'
import { codeOf } from '../errors.js'
import type { FileEntry } from './entry.js'
import type { DirectoryNode, OpenDirectories } from './open-directories.js'
import { digestOf } from './read-file.js'

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants
const SMALL = Buffer.from('small')
const LINK = Buffer.from('link')
const OWNER_ONLY = 0o600
const OWNER_MAY_FILL = 0o700
/** Node sets times as doubles of seconds, of which the system gets microseconds at best. */
const TIME_UNIT_NS = 1000n
const TIME_UNITS_A_SECOND = 1e6

/** Makes what a tree says, each thing under its name by one rename. Its calls return at once: none of them waits for the disk. */
export class Placement {
  readonly #directories: OpenDirectories
  readonly #staging: DirectoryNode

  constructor(directories: OpenDirectories, staging: DirectoryNode) {
    this.#directories = directories
    this.#staging = staging
  }

  /** @throws what the system does; `EISDIR` where a directory is in the way. */
  look(node: DirectoryNode, { name, sizeBytes, mtimeNs, mode, digest }: FileEntry): 'have' | 'want' | 'compare' {
    const found = lstatSync(this.#directories.path(node, name), { bigint: true, throwIfNoEntry: false })
    if (found?.isDirectory()) throw systemError('EISDIR')
    if (!found?.isFile() || found.size !== BigInt(sizeBytes)) return 'want'
    if (digest) return 'compare'
    if (!isSameTime(found.mtimeNs, mtimeNs)) return 'want'
    if (Number(found.mode & 0o777n) !== mode) this.#dress(node, name, mode, mtimeNs)
    return 'have'
  }

  /** Whether what is in the file is the same, whatever its times are. */
  async compare(node: DirectoryNode, { name, mode, mtimeNs, digest }: FileEntry, hash: Hash): Promise<boolean> {
    const file = await open(this.#directories.path(node, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      if (digest === undefined || Buffer.compare(await digestOf(file, hash), digest) !== 0) return false
    } finally {
      await file.close()
    }
    this.#dress(node, name, mode, mtimeNs)
    return true
  }

  small(node: DirectoryNode, { name, mode, mtimeNs }: FileEntry, bytes: Uint8Array): void {
    const path = this.#directories.path(this.#staging, SMALL)
    const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, OWNER_ONLY)
    try {
      // Bounded by the bytes: the system writes at least one of them or refuses.
      for (let done = 0; done < bytes.byteLength; ) done += writeSync(fd, bytes, done)
      dress(fd, mode, mtimeNs)
    } finally {
      closeSync(fd)
    }
    this.#rename(SMALL, node, name)
  }

  /** A file that is whole, and waits under `staged`. */
  staged(node: DirectoryNode, { name, mode, mtimeNs }: FileEntry, staged: string): void {
    this.#dress(this.#staging, Buffer.from(staged), mode, mtimeNs)
    this.#rename(Buffer.from(staged), node, name)
  }

  isStaged(staged: string, sizeBytes: number): boolean {
    const found = lstatSync(this.#directories.path(this.#staging, Buffer.from(staged)), { throwIfNoEntry: false })
    return found?.isFile() === true && found.size === sizeBytes
  }

  symlink(node: DirectoryNode, name: Buffer, target: Buffer, mtimeNs: bigint): void {
    const path = this.#directories.path(node, name)
    if (readLink(path)?.equals(target) !== true) {
      this.#clearLink()
      symlinkSync(target, this.#directories.path(this.#staging, LINK))
      this.#rename(LINK, node, name)
    }
    const seconds = secondsOf(mtimeNs)
    lutimesSync(this.#directories.path(node, name), seconds, seconds)
  }

  /** @throws `EMLINK` where the other is no file. */
  link(node: DirectoryNode, name: Buffer, other: { readonly node: DirectoryNode; readonly name: Buffer }): void {
    const found = lstatSync(this.#directories.path(node, name), { throwIfNoEntry: false })
    const target = this.#directories.path(other.node, other.name)
    const meant = lstatSync(target)
    if (!meant.isFile()) throw systemError('EMLINK')
    // Renaming one name of a file to another does nothing, and would leave both.
    if (found && found.dev === meant.dev && found.ino === meant.ino) return
    this.#clearLink()
    linkSync(target, this.#directories.path(this.#staging, LINK))
    this.#rename(LINK, node, name)
  }

  /** Makes a directory, or takes the one that is there, so that it can be filled. */
  enter(node: DirectoryNode, mode: number = OWNER_MAY_FILL): void {
    const { parent, name } = node
    if (!parent) return
    try {
      mkdirSync(this.#directories.path(parent, name), mode)
      return
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    const path = this.#directories.path(parent, name)
    const found = lstatSync(path)
    if (!found.isDirectory()) throw systemError('ENOTDIR')
    // A former run may have made it as it shall be. What cannot be opened now cannot be changed through a descriptor.
    if ((found.mode & OWNER_MAY_FILL) !== OWNER_MAY_FILL) this.#dressDirectory(node, (found.mode & 0o777) | OWNER_MAY_FILL)
  }

  /** Once nothing more is put into it. */
  leave(node: DirectoryNode, mode: number, mtimeNs: bigint): void {
    this.#dressDirectory(node, mode, mtimeNs)
  }

  /** Names in it survive a loss of power. */
  async sync(node: DirectoryNode): Promise<void> {
    const file = await open(this.#directories.path(node, '.'), O_RDONLY | O_DIRECTORY)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }

  #dress(node: DirectoryNode, name: Buffer, mode: number, mtimeNs: bigint): void {
    const fd = openSync(this.#directories.path(node, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      if (!fstatSync(fd).isFile()) throw systemError('ENOTSUP')
      dress(fd, mode, mtimeNs)
    } finally {
      closeSync(fd)
    }
  }

  #dressDirectory(node: DirectoryNode, mode: number, mtimeNs?: bigint): void {
    const fd = openSync(this.#directories.path(node, '.'), O_RDONLY | O_DIRECTORY)
    try {
      fchmodSync(fd, mode)
      if (mtimeNs !== undefined) setTimes(fd, mtimeNs)
    } finally {
      closeSync(fd)
    }
  }

  #clearLink(): void {
    try {
      unlinkSync(this.#directories.path(this.#staging, LINK))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }

  #rename(staged: Buffer, node: DirectoryNode, name: Buffer): void {
    const from = this.#directories.path(this.#staging, staged)
    try {
      renameSync(from, this.#directories.path(node, name))
    } catch (error) {
      unlinkSync(from)
      throw error
    }
  }
}

function readLink(path: Buffer): Buffer | undefined {
  try {
    return readlinkSync(path, { encoding: 'buffer' })
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(codeOf(error))) return undefined
    throw error
  }
}

function dress(fd: number, mode: number, mtimeNs: bigint): void {
  fchmodSync(fd, mode)
  setTimes(fd, mtimeNs)
}

function setTimes(fd: number, mtimeNs: bigint): void {
  const seconds = secondsOf(mtimeNs)
  futimesSync(fd, seconds, seconds)
}

// Half a unit more: what is cut off must not reach the next one below, however the double was rounded.
const secondsOf = (mtimeNs: bigint): number => (Number(mtimeNs / TIME_UNIT_NS) + 0.5) / TIME_UNITS_A_SECOND

const isSameTime = (a: bigint, b: bigint): boolean => a / TIME_UNIT_NS === b / TIME_UNIT_NS

const systemError = (code: string): Error => Object.assign(new Error(`${code}: something else is in the way`), { code })
