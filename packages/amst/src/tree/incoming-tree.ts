import { join } from 'node:path'
import type { Hash } from '@dwcp/native-rdma/hash'
import { AsyncQueue } from '../async-queue.js'
import { amstError, asError, codeOf } from '../errors.js'
import type { IncomingTransfer } from '../incoming-object.js'
import type { Session } from '../session.js'
import { encodeAnswer } from './answer.js'
import { decodeEntry, type FileEntry, type TreeEntry } from './entry.js'
import type { TreeLimits } from './limits.js'
import { namesOf, shown, staysInside } from './names.js'
import { ANSWERS, FILE } from './objects.js'
import { decodeOffer, resumeKey, type TreeOffer } from './offer.js'
import { type DirectoryNode, depthOf, type OpenDirectories } from './open-directories.js'
import { decodePack, PACK_BYTES_MAX } from './pack.js'
import type { Placement } from './placement.js'
import { framed, recordsIn } from './records.js'
import { type Staging, stagedName } from './staging.js'
import { TreeLevel } from './tree-level.js'
import { TreeCount, type TreeProgress, type TreeReport } from './tree-report.js'
import { Turn } from './turn.js'
import { PACK_BYTES } from './wanted.js'

export interface Receiving {
  readonly session: Session
  readonly hash: Hash
  readonly directories: OpenDirectories
  /** Of what is served: nothing above it is touched. */
  readonly root: DirectoryNode
  readonly staging: Staging
  readonly placement: Placement
  readonly limits: TreeLimits
  /** Symbolic links may lead anywhere. */
  readonly allowsLinksOut: boolean
  readonly onProgress?: ((progress: TreeProgress) => void) | undefined
}

/** A file that is missing here, and was asked for. */
interface Wanted {
  readonly level: TreeLevel
  readonly entry: FileEntry
  /** Other names that it gets. */
  readonly links: { readonly level: TreeLevel; readonly name: Buffer }[]
  isComing: boolean
}

/** Nothing else of the tree could be stored either. */
const FATAL: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']
const SYNCS_AT_ONCE = 8
const SYNCS_WAITING = 1024

/** A tree on its way in: looks at what is listed, asks for what is missing, and makes it. */
export class IncomingTree {
  readonly #receiving: Receiving
  readonly #manifest: IncomingTransfer
  readonly #count: TreeCount
  readonly #answers = new AsyncQueue<Uint8Array>()
  #unsaid: Buffer[] = []
  readonly #wanted = new Map<number, Wanted>()
  /** Of these, what links may follow to. */
  readonly #linkable = new Map<string, Wanted>()
  readonly #underWay = new Map<number, number>()
  #unsynced: DirectoryNode[] = []
  #nextEntry = 0
  #broken: Error | undefined
  #wake: () => void = () => undefined

  constructor(receiving: Receiving, manifest: IncomingTransfer) {
    this.#receiving = receiving
    this.#manifest = manifest
    this.#count = new TreeCount(receiving.onProgress)
  }

  /** @throws `ERR_AMST_PATH`, `ERR_AMST_LIMIT`, `ERR_AMST_PROTOCOL`, `ERR_AMST_SINK`, and what ends the session. */
  async run(): Promise<TreeReport> {
    const { session } = this.#receiving
    const answered = session.send({ stream: this.#answers }, { name: ANSWERS, class: this.#manifest.class })
    answered.catch((error: unknown) => this.fail(error))
    try {
      const offer = decodeOffer(this.#manifest.metadata)
      const top = new TreeLevel(this.#destination(offer), undefined, undefined)
      await this.#list(offer, top)
      this.#count.isListed = true
      top.isClosed = true
      // Until the last file is there.
      while (top.pending > 0 && !this.#broken) await this.#news()
      if (this.#broken) throw this.#broken
      await this.#sync()
      this.#answers.end()
      this.#manifest.complete()
      return this.#count.report()
    } catch (error) {
      this.fail(error)
      throw error
    } finally {
      this.#answers.end()
    }
  }

  /** Gives the tree up, and says so. */
  fail(reason: unknown): void {
    this.#broken ??= asError(reason)
    this.#manifest.reject(reason)
    this.#wake()
  }

  /** One of its files, or a pack of them. */
  take(transfer: IncomingTransfer): void {
    const taking = transfer.name === FILE ? this.#takeFile(transfer) : this.#takePack(transfer)
    taking.catch((error: unknown) => {
      transfer.reject(error)
      this.fail(error)
    })
  }

  #destination({ directory }: TreeOffer): DirectoryNode {
    const { limits, placement, root } = this.#receiving
    let node = root
    for (const name of namesOf(directory)) {
      node = { parent: node, name: Buffer.from(name) }
      if (depthOf(node) > limits.depth) throw tooMany('directories within one another', limits.depth)
      // As any other program would make it: nothing says what it shall be.
      placement.enter(node, 0o777)
    }
    return node
  }

  async #list(offer: TreeOffer, top: TreeLevel): Promise<void> {
    const { limits } = this.#receiving
    const turn = new Turn()
    let level = top
    for await (const records of recordsIn(this.#manifest.stream)) {
      try {
        for (const record of records) {
          level = await this.#look(offer, level, decodeEntry(record, offer.comparesContents))
          if (turn.isOver) await turn.pass()
        }
        this.#say(encodeAnswer({ kind: 'looked', entry: this.#nextEntry }))
        this.#flush()
        this.#count.tell(this.#underWayBytes())
        if (this.#unsynced.length > SYNCS_WAITING) await this.#sync()
        // Until the sender has sent some of them.
        while (this.#wanted.size >= limits.pendingFiles && !this.#broken) await this.#news()
        if (this.#broken) throw this.#broken
      } catch (error) {
        // Before the manifest is left, which would reject it with a reason that says less.
        this.fail(error)
        throw error
      }
    }
    if (level !== top) throw amstError('ERR_AMST_PROTOCOL', 'the manifest ended within a directory')
  }

  /** @returns where the next entry is. */
  async #look(offer: TreeOffer, level: TreeLevel, entry: TreeEntry): Promise<TreeLevel> {
    if (entry.kind === 'up') {
      if (!level.parent) throw amstError('ERR_AMST_PROTOCOL', 'the manifest leads out of its root')
      level.isClosed = true
      this.#leaveIfDone(level)
      return level.parent
    }
    const number = this.#nextEntry
    this.#nextEntry += 1
    this.#count.entries += 1
    if (this.#nextEntry > this.#receiving.limits.entries) throw tooMany('entries', this.#receiving.limits.entries)
    level.follow(entry.name)
    if (entry.kind === 'directory') return this.#enter(level, number, entry)
    if (level.isSkipped) return level
    try {
      if (entry.kind === 'file') await this.#lookAtFile(offer, level, number, entry)
      else if (entry.kind === 'link') this.#link(level, entry.name, entry.target)
      else this.#symlink(level, entry)
    } catch (error) {
      this.#failEntry(number, level.pathOf(entry.name), error)
    }
    return level
  }

  #enter(level: TreeLevel, number: number, entry: TreeEntry & { readonly kind: 'directory' }): TreeLevel {
    const { limits, placement } = this.#receiving
    const node = { parent: level.node, name: entry.name }
    if (depthOf(node) > limits.depth) throw tooMany('directories within one another', limits.depth)
    const inside = new TreeLevel(node, level, entry)
    level.pending += 1
    try {
      if (!level.isSkipped) placement.enter(node)
      else inside.isSkipped = true
    } catch (error) {
      inside.isSkipped = true
      this.#failEntry(number, inside.path ?? entry.name, error)
    }
    return inside
  }

  async #lookAtFile(offer: TreeOffer, level: TreeLevel, number: number, entry: FileEntry): Promise<void> {
    const { hash, limits, placement } = this.#receiving
    this.#count.files += 1
    this.#count.bytes += entry.sizeBytes
    if (this.#count.bytes > limits.bytes) throw tooMany('bytes', limits.bytes)
    let found = placement.look(level.node, entry)
    if (found === 'compare' && (await placement.compare(level.node, entry, hash))) found = 'have'
    if (found === 'have' || (await this.#placeStaged(offer, level, entry))) return this.#count.done(entry.sizeBytes, false)
    const wanted: Wanted = { level, entry, links: [], isComing: false }
    this.#wanted.set(number, wanted)
    if (entry.isLinked) this.#linkable.set(keyOf(level.pathOf(entry.name)), wanted)
    level.pending += 1
    this.#say(encodeAnswer({ kind: 'want', entry: number }))
  }

  /** A former run got all of it, and did not live to give it its name. */
  async #placeStaged(offer: TreeOffer, level: TreeLevel, entry: FileEntry): Promise<boolean> {
    if (entry.sizeBytes < PACK_BYTES) return false
    const { placement, session, staging } = this.#receiving
    const key = keyFor(offer, level, entry)
    const staged = stagedName(session.peer.nodeId, key)
    if (offer.comparesContents || !placement.isStaged(staged, entry.sizeBytes)) return false
    await staging.journal.drop(session.peer.nodeId, key)
    placement.staged(level.node, entry, staged)
    return true
  }

  #symlink(level: TreeLevel, { name, target, mtimeNs }: TreeEntry & { readonly kind: 'symlink' }): void {
    const { allowsLinksOut, placement } = this.#receiving
    if (!allowsLinksOut && !staysInside(target, depthOf(level.node)))
      throw amstError('ERR_AMST_PATH', `a symbolic link to ${shown(target)} leads out of what is served`)
    placement.symlink(level.node, name, target, mtimeNs)
  }

  #link(level: TreeLevel, name: Buffer, target: Buffer): void {
    const wanted = this.#linkable.get(keyOf(target))
    if (wanted) {
      wanted.links.push({ level, name })
      level.pending += 1
      return
    }
    const names = namesOf(target)
    const last = names.at(-1)
    if (!last) throw amstError('ERR_AMST_PROTOCOL', 'a link to the root of a tree')
    let node = level.top.node
    for (const one of names.slice(0, -1)) node = { parent: node, name: one }
    this.#receiving.placement.link(level.node, name, { node, name: last })
  }

  async #takePack(transfer: IncomingTransfer): Promise<void> {
    const { lengthBytes } = transfer
    if (lengthBytes === undefined || lengthBytes > PACK_BYTES_MAX)
      throw amstError('ERR_AMST_PROTOCOL', `a pack of ${lengthBytes} bytes is past ${PACK_BYTES_MAX}`)
    const pack = Buffer.allocUnsafeSlow(lengthBytes)
    let filled = 0
    for await (const bytes of transfer.stream) {
      pack.set(bytes, filled)
      filled += bytes.byteLength
    }
    const turn = new Turn()
    for (const { entry, bytes } of decodePack(pack)) {
      if (turn.isOver) await turn.pass()
      if (this.#broken) throw this.#broken
      const wanted = this.#claim(entry)
      if (bytes && bytes.byteLength !== wanted.entry.sizeBytes)
        throw amstError('ERR_AMST_PROTOCOL', `a file of ${bytes.byteLength} bytes instead of ${wanted.entry.sizeBytes}`)
      if (bytes) this.#settle(entry, wanted, () => this.#receiving.placement.small(wanted.level.node, wanted.entry, bytes))
      else this.#settleMissing(entry, wanted)
    }
    transfer.complete()
    this.#flush()
    this.#count.tell(this.#underWayBytes())
  }

  async #takeFile(transfer: IncomingTransfer): Promise<void> {
    const { metadata, resumeKey: key } = transfer
    if (metadata.byteLength !== 4) throw amstError('ERR_AMST_PROTOCOL', 'a file of a tree without its number')
    const number = Buffer.from(metadata).readUInt32BE()
    const wanted = this.#claim(number)
    const { level, entry } = wanted
    const { placement, session, staging } = this.#receiving
    if (transfer.lengthBytes !== entry.sizeBytes)
      throw amstError('ERR_AMST_PROTOCOL', `a file of ${transfer.lengthBytes} bytes instead of ${entry.sizeBytes}`)
    if (key !== undefined && key !== keyFor(decodeOffer(this.#manifest.metadata), level, entry))
      throw amstError('ERR_AMST_PROTOCOL', 'a file of a tree under the key of another')
    const staged = key === undefined ? staging.once() : stagedName(session.peer.nodeId, key)
    try {
      await transfer.saveTo(join(staging.directory, staged), {
        ...(key === undefined ? {} : { journal: staging.journal }),
        onProgress: (storedBytes) => {
          this.#underWay.set(number, storedBytes)
          this.#count.tell(this.#underWayBytes())
        },
      })
    } catch (error) {
      // The sender could not read it as it was listed; all else comes.
      if (codeOf(error) !== 'ERR_AMST_CANCELLED') throw error
      return this.#settleMissing(number, wanted)
    } finally {
      this.#underWay.delete(number)
    }
    if (key !== undefined) await staging.journal.drop(session.peer.nodeId, key)
    this.#settle(number, wanted, () => placement.staged(level.node, entry, staged))
    this.#flush()
    this.#count.tell(this.#underWayBytes())
  }

  /** @throws `ERR_AMST_PROTOCOL` for what nobody asked for. */
  #claim(number: number): Wanted {
    const wanted = this.#wanted.get(number)
    if (!wanted || wanted.isComing) throw amstError('ERR_AMST_PROTOCOL', `the peer sends entry ${number}, which was not asked for`)
    wanted.isComing = true
    return wanted
  }

  #settle(number: number, wanted: Wanted, place: () => void): void {
    const { level, entry } = wanted
    try {
      place()
      this.#count.done(entry.sizeBytes, true)
    } catch (error) {
      this.#failEntry(number, level.pathOf(entry.name), error)
    }
    this.#forget(number, wanted, (link) => {
      this.#receiving.placement.link(link.level.node, link.name, { node: level.node, name: entry.name })
    })
  }

  /** The sender has said why, to its own side. */
  #settleMissing(number: number, wanted: Wanted): void {
    this.#count.fail(shown(wanted.level.pathOf(wanted.entry.name)), 'ERR_AMST_SOURCE_CHANGED')
    this.#forget(number, wanted, (link) => this.#count.fail(shown(link.level.pathOf(link.name)), 'ERR_AMST_SOURCE_CHANGED'))
  }

  #forget(number: number, { level, entry, links }: Wanted, follow: (link: Wanted['links'][number]) => void): void {
    this.#wanted.delete(number)
    if (entry.isLinked) this.#linkable.delete(keyOf(level.pathOf(entry.name)))
    for (const link of links) {
      try {
        follow(link)
      } catch (error) {
        this.#failEntry(number, link.level.pathOf(link.name), error)
      }
      link.level.pending -= 1
      this.#leaveIfDone(link.level)
    }
    level.pending -= 1
    this.#leaveIfDone(level)
    this.#wake()
  }

  /** What is true of a directory is said once nothing more changes in it, and then of the one above. */
  #leaveIfDone(level: TreeLevel): void {
    for (let at: TreeLevel | undefined = level; at?.parent && at.isClosed && at.pending === 0; at = at.parent) {
      const { attributes, node, isSkipped } = at
      try {
        if (attributes && !isSkipped) {
          this.#receiving.placement.leave(node, attributes.mode, attributes.mtimeNs)
          this.#unsynced.push(node)
        }
      } catch (error) {
        this.#failEntry(0, at.path ?? Buffer.alloc(0), error)
      }
      at.parent.pending -= 1
    }
    this.#wake()
  }

  #failEntry(number: number, path: Buffer, error: unknown): void {
    const code = codeOf(error)
    if (FATAL.includes(code)) throw amstError('ERR_AMST_SINK', `the receiver could not store the tree (${code})`, { cause: error })
    if (['ERR_AMST_PROTOCOL', 'ERR_AMST_LIMIT', 'ERR_UNKNOWN'].includes(code)) throw error
    this.#count.fail(shown(path), code)
    this.#say(framedFailure(number, code, path))
  }

  async #sync(): Promise<void> {
    const nodes = this.#unsynced
    this.#unsynced = []
    const next = async (): Promise<void> => {
      // Until none is left.
      for (let node = nodes.pop(); node; node = nodes.pop()) await this.#syncOne(node)
    }
    await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, next))
  }

  async #syncOne(node: DirectoryNode): Promise<void> {
    try {
      await this.#receiving.placement.sync(node)
    } catch (error) {
      // It was made unreadable, for its owner too, because it is so where it comes from.
      if (codeOf(error) !== 'EACCES') throw error
    }
  }

  #say(answer: Buffer): void {
    this.#unsaid.push(framed(answer))
  }

  #flush(): void {
    if (this.#unsaid.length > 0) this.#answers.push(Buffer.concat(this.#unsaid))
    this.#unsaid = []
  }

  #underWayBytes(): number {
    let bytes = 0
    for (const one of this.#underWay.values()) bytes += one
    return bytes
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

const framedFailure = (entry: number, code: string, path: Buffer): Buffer => encodeAnswer({ kind: 'failed', entry, code, path })

const keyOf = (path: Buffer): string => path.toString('latin1')

const keyFor = ({ directory }: TreeOffer, level: TreeLevel, { name, sizeBytes, mtimeNs }: FileEntry): string =>
  resumeKey(directory, level.pathOf(name), sizeBytes, mtimeNs)

const tooMany = (what: string, limit: number): Error =>
  amstError('ERR_AMST_LIMIT', `the tree has more than ${limit} ${what}: raise the receiver's limit, or send it in parts`, {
    details: { limit },
  })
