import { realpath } from 'node:fs/promises'
import { type Hash, loadHash } from '@dwcp/native-rdma/hash'
import { amstError } from '../errors.js'
import type { IncomingTransfer } from '../incoming-object.js'
import type { Session } from '../session.js'
import { IncomingTree } from './incoming-tree.js'
import { resolveTreeLimits, type TreeLimits } from './limits.js'
import { shown } from './names.js'
import { ANSWERS, FILE, GET, PACK, TREE } from './objects.js'
import { decodeOffer, decodeQuestion, encodeQuestion } from './offer.js'
import { OpenDirectories } from './open-directories.js'
import { OutgoingTree } from './outgoing-tree.js'
import { Placement } from './placement.js'
import { distinct, rootsBelow, type TreeOptions } from './send-tree.js'
import { openStaging, type Staging } from './staging.js'
import type { TreeProgress, TreeReport } from './tree-report.js'

/**
 * What may be done with a directory.
 *
 * @public
 */
export interface TreeDirectoryOptions {
  /** Nothing is stored. @defaultValue false */
  readonly isReadOnly?: boolean
  /** Symbolic links that arrive may lead out of the directory, or through links. Nothing here follows them; others will. @defaultValue false: they are refused */
  readonly allowsLinksOut?: boolean
  readonly limits?: Partial<TreeLimits>
  /**
   * Names the folder below `.dwcp` where files are until they are whole. Each process that stores into the directory has its own, and
   * what it left is resumed by the next one of the same name. @defaultValue 'served'
   */
  readonly staging?: string
}

/**
 * A tree that a peer sends or gets.
 *
 * @public
 */
export interface ServedTree {
  readonly direction: 'in' | 'out'
  /** Where it goes, or what was asked for, for a person. */
  readonly path: string
  /** Rejects where the tree breaks off. */
  readonly report: Promise<TreeReport>
}

/**
 * A directory that peers send trees to and get them from, and nothing beside it: whatever they ask for, whatever is in it.
 *
 * @public
 */
export interface TreeDirectory extends AsyncDisposable {
  /** Serves a peer until its session is over, one tree in each direction at a time. Never rejects. */
  serve(session: Session, onTree?: (tree: ServedTree) => void): Promise<void>
  /**
   * Gets what a peer serves into this directory: each path under its own name, and of one that ends with a slash, or is empty, what is in it.
   * @throws `ERR_AMST_REQUEST_FAILED` where the peer refuses (`details.peerCode`); else as `serve`'s reports reject.
   */
  get(session: Session, paths: readonly string[], options?: TreeOptions): Promise<TreeReport>
}

const STAGING = /^[A-Za-z0-9-]{1,64}$/

/**
 * Opens a directory to send trees to and get them from. Linux only.
 *
 * @throws `ERR_AMST_LOCKED` where another process stores into it under the same name; what the system refuses.
 * @public
 */
export async function openTreeDirectory(directory: string, options: TreeDirectoryOptions = {}): Promise<TreeDirectory> {
  const limits = resolveTreeLimits(options.limits)
  const { staging: name = 'served', allowsLinksOut = false, isReadOnly = false } = options
  if (!STAGING.test(name)) throw new RangeError(`staging "${name}": write up to 64 letters, digits or dashes`)
  const root = await realpath(directory)
  const staging = isReadOnly ? undefined : await openStaging(root, name)
  return new ServedDirectory({ root, limits, allowsLinksOut, staging, hash: await loadHash() })
}

interface Served {
  readonly root: string
  readonly limits: TreeLimits
  readonly allowsLinksOut: boolean
  /** None: nothing is stored. */
  readonly staging: Staging | undefined
  readonly hash: Hash
}

class ServedDirectory implements TreeDirectory {
  readonly #served: Served

  constructor(served: Served) {
    this.#served = served
  }

  async serve(session: Session, onTree: (tree: ServedTree) => void = () => undefined): Promise<void> {
    let incoming: IncomingTree | undefined
    let outgoing: OutgoingTree | undefined
    const tell = (direction: ServedTree['direction'], path: string, report: Promise<TreeReport>): void => {
      // Whoever is told may pass over how it ends.
      report.catch(() => undefined)
      onTree({ direction, path, report })
    }
    using _getting = session.handle(GET, async (payload) => {
      if (outgoing) throw oneAtATime()
      const { comparesContents, resumes, paths } = decodeQuestion(payload)
      const directories = new OpenDirectories()
      try {
        const root = directories.addRoot(this.#served.root)
        const roots = distinct(paths.flatMap((path) => rootsBelow(directories, root, path)))
        const directory = Buffer.alloc(0)
        const { hash } = this.#served
        outgoing = new OutgoingTree({ session, directories, roots, directory, hash, comparesContents, resumes, class: 'bulk' })
      } catch (error) {
        directories[Symbol.dispose]()
        throw error
      }
      const report = outgoing.run().finally(() => {
        outgoing = undefined
        directories[Symbol.dispose]()
      })
      tell('out', paths.map(shown).join(' '), report)
      return undefined
    })
    for await (const transfer of session.incoming) {
      if (transfer.name === TREE && !incoming) {
        try {
          const path = shown(decodeOffer(transfer.metadata).directory)
          const begun = this.#receive(session, transfer)
          incoming = begun.tree
          tell(
            'in',
            path,
            begun.report.finally(() => (incoming = undefined)),
          )
        } catch (error) {
          transfer.reject(error)
        }
      } else if (transfer.name === TREE) transfer.reject(oneAtATime())
      else if (transfer.name === ANSWERS && outgoing) outgoing.takeAnswers(transfer)
      else if ((transfer.name === PACK || transfer.name === FILE) && incoming) incoming.take(transfer)
      else transfer.reject(amstError('ERR_AMST_PROTOCOL', 'the object belongs to no tree'))
    }
  }

  async get(session: Session, paths: readonly string[], options: TreeOptions = {}): Promise<TreeReport> {
    const { comparesContents = false, resumes = true, signal, onProgress } = options
    let tree: IncomingTree | undefined
    const giveUp = (): void => tree?.fail(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    const reading = async (): Promise<TreeReport> => {
      let report: Promise<TreeReport> | undefined
      for await (const transfer of session.incoming) {
        if (transfer.name === TREE && !tree) {
          const begun = this.#receive(session, transfer, onProgress)
          tree = begun.tree
          begun.report.then(arrived, broken)
          report = begun.report
        } else if ((transfer.name === PACK || transfer.name === FILE) && tree) tree.take(transfer)
        else transfer.reject(amstError('ERR_AMST_PROTOCOL', 'this end gets one tree, and this object is none of it'))
      }
      if (report) return report
      throw (
        (await session.closed) ?? amstError('ERR_AMST_CLOSED', 'the peer closed the session before it sent the tree', { retryable: true })
      )
    }
    let arrived: (report: TreeReport) => void = () => undefined
    let broken: (reason: unknown) => void = () => undefined
    const whole = new Promise<TreeReport>((resolve, reject) => {
      arrived = resolve
      broken = reject
    })
    whole.catch(() => undefined)
    reading().catch(broken)
    try {
      const question = encodeQuestion({ comparesContents, resumes, paths: paths.map((path) => Buffer.from(path)) })
      await session.request(GET, question, signal ? { signal } : {})
      return await whole
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#served.staging?.[Symbol.asyncDispose]()
  }

  #receive(
    session: Session,
    manifest: IncomingTransfer,
    onProgress?: (progress: TreeProgress) => void,
  ): { readonly tree: IncomingTree; readonly report: Promise<TreeReport> } {
    const { allowsLinksOut, hash, limits, staging } = this.#served
    if (!staging) throw amstError('ERR_AMST_READ_ONLY', 'this end serves what it has, and takes nothing')
    const directories = new OpenDirectories()
    const root = directories.addRoot(this.#served.root)
    const placement = new Placement(directories, directories.addRoot(staging.directory))
    const tree = new IncomingTree({ session, hash, directories, root, staging, placement, limits, allowsLinksOut, onProgress }, manifest)
    return { tree, report: tree.run().finally(() => directories[Symbol.dispose]()) }
  }
}

const oneAtATime = (): Error =>
  amstError('ERR_AMST_LIMIT', 'a tree is on this session already: wait until it is there, or open another session', { retryable: true })
