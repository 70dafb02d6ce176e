import { lstatSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { TrafficClass } from '@dwcp/interface'
import { loadHash } from '@dwcp/native-rdma/hash'
import { amstError } from '../errors.js'
import type { Session } from '../session.js'
import { namesOf } from './names.js'
import { ANSWERS } from './objects.js'
import { OpenDirectories } from './open-directories.js'
import { OutgoingTree } from './outgoing-tree.js'
import type { TreeProgress, TreeReport } from './tree-report.js'
import { rootsIn, type TreeRoot } from './walk.js'

/**
 * How a tree is compared, sent and followed.
 *
 * @public
 */
export interface TreeOptions {
  /** A file is there already when it has the same bytes, whatever its times; both ends read all. @defaultValue false: the same size and time */
  readonly comparesContents?: boolean
  /** Large files go on where they were. @defaultValue true */
  readonly resumes?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TreeProgress) => void
}

/**
 * Where a tree goes, and how.
 *
 * @public
 */
export interface SendTreeOptions extends TreeOptions {
  /** From the root of what the receiver serves; made where it is missing. @defaultValue the root itself */
  readonly directory?: string
  /** @defaultValue 'bulk' */
  readonly class?: TrafficClass
}

/**
 * Sends files and directories with all that is in them to a peer that serves a {@link TreeDirectory}: each under its own name, and of a path that
 * ends with a slash what is in it. Links are sent as links. Only what is missing there travels; one tree at a time is on a session, whose
 * `incoming` this reads until its end. What could not be read or made is in the report, and the rest is there.
 *
 * @throws `RangeError` for two paths with the same name; `ERR_AMST_REJECTED` where the receiver refuses (`details.peerCode`), and what `send` throws.
 * @public
 */
export async function sendTree(session: Session, paths: readonly string[], options: SendTreeOptions = {}): Promise<TreeReport> {
  using directories = new OpenDirectories()
  const roots = paths.flatMap((path) => rootsAt(directories, path))
  const tree = new OutgoingTree({
    session,
    directories,
    roots: distinct(roots),
    hash: await loadHash(),
    directory: Buffer.from(options.directory ?? ''),
    comparesContents: options.comparesContents ?? false,
    resumes: options.resumes ?? true,
    class: options.class ?? 'bulk',
    signal: options.signal,
    onProgress: options.onProgress,
  })
  void takeAnswers(session, tree)
  return await tree.run()
}

async function takeAnswers(session: Session, tree: OutgoingTree): Promise<void> {
  for await (const transfer of session.incoming) {
    if (transfer.name === ANSWERS) tree.takeAnswers(transfer)
    else transfer.reject(amstError('ERR_AMST_PROTOCOL', 'this end sends a tree, and takes none'))
  }
}

/** @throws what the system refuses, where there is nothing. */
function rootsAt(directories: OpenDirectories, path: string): readonly TreeRoot[] {
  const whole = resolve(path)
  if (path.endsWith('/') || /(^|\/)\.{1,2}$/.test(path) || whole === '/') return rootsIn(directories, directories.addRoot(whole))
  lstatSync(path)
  return [{ node: directories.addRoot(dirname(whole)), name: Buffer.from(basename(whole)) }]
}

/**
 * What a peer asks for, below the root of what is served.
 *
 * @throws `ERR_AMST_PATH`
 */
export function rootsBelow(directories: OpenDirectories, root: ReturnType<OpenDirectories['addRoot']>, path: Buffer): readonly TreeRoot[] {
  const names = namesOf(path)
  try {
    const last = names.at(-1)
    let node = root
    for (const name of names.slice(0, -1)) node = { parent: node, name }
    if (!last) return rootsIn(directories, root)
    const found = lstatSync(directories.path(node, last))
    const isOpened = found.isDirectory() && path.at(-1) === 0x2f
    return isOpened ? rootsIn(directories, { parent: node, name: last }) : [{ node, name: last }]
  } catch (cause) {
    throw amstError('ERR_AMST_PATH', `there is no "${path.toString()}" here`, { cause })
  }
}

/** @throws `RangeError` */
export function distinct(roots: readonly TreeRoot[]): readonly TreeRoot[] {
  const names = new Set<string>()
  for (const { name } of roots) {
    const key = name.toString('latin1')
    if (names.has(key)) throw new RangeError(`two of the paths are named "${name.toString()}": send them one after the other`)
    names.add(key)
  }
  return roots
}
