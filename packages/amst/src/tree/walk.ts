import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { codeOf } from '../errors.js'
import type { FileEntry, TreeEntry } from './entry.js'
import { STAGING_NAME } from './names.js'
import { type DirectoryNode, type OpenDirectories } from './open-directories.js'

/** Something that a tree begins with: what has `name` in the directory. */
export interface TreeRoot {
  readonly node: DirectoryNode
  readonly name: Buffer
}

/** A file as it was listed. */
export interface ListedFile {
  readonly node: DirectoryNode
  readonly name: Buffer
  /** Of the tree, for whom it is told. */
  readonly path: Buffer
  readonly stats: BigIntStats
}

export type Walked =
  | { readonly kind: 'entry'; readonly entry: Exclude<TreeEntry, FileEntry> }
  | { readonly kind: 'file'; readonly entry: FileEntry; readonly file: ListedFile }
  | { readonly kind: 'failed'; readonly path: Buffer; readonly code: string }

interface Level {
  /** Of the directory in the tree that is sent; none for its root. */
  readonly path: Buffer | undefined
  readonly roots: readonly TreeRoot[]
  next: number
}

const PERMISSION_BITS = 0o777n

/** What is in a directory, to begin a tree with. */
export const rootsIn = (directories: OpenDirectories, node: DirectoryNode): readonly TreeRoot[] =>
  readdirSync(directories.path(node, '.'), { encoding: 'buffer' }).map((name) => ({ node, name }))

/** Everything from the roots down: what is in a directory follows it in the order of its names' bytes, then comes `up`. Links are not followed. */
export function* walk(directories: OpenDirectories, roots: readonly TreeRoot[]): Generator<Walked, void, undefined> {
  const linked = new Map<string, { readonly path: Buffer; left: number }>()
  const levels: Level[] = [{ path: undefined, roots: inOrder(roots), next: 0 }]
  // Each turn passes one name, or leaves a directory.
  for (let level = levels.at(-1); level; level = levels.at(-1)) {
    const root = level.roots[level.next]
    if (!root) {
      levels.pop()
      if (level.path) yield { kind: 'entry', entry: { kind: 'up' } }
      continue
    }
    level.next += 1
    const { node, name } = root
    if (name.equals(STAGING_NAME)) continue
    const path = level.path ? Buffer.concat([level.path, Buffer.from('/'), name]) : name
    try {
      const stats = lstatSync(directories.path(node, name), { bigint: true })
      const mode = Number(stats.mode & PERMISSION_BITS)
      const { mtimeNs } = stats
      if (stats.isFile()) {
        const first = stats.nlink > 1n ? otherName(linked, stats, path) : undefined
        if (first) yield { kind: 'entry', entry: { kind: 'link', name, target: first } }
        else {
          const entry: FileEntry = { kind: 'file', name, mode, mtimeNs, sizeBytes: Number(stats.size), isLinked: stats.nlink > 1n }
          yield { kind: 'file', entry, file: { node, name, path, stats } }
        }
      } else if (stats.isDirectory()) {
        const inside = { parent: node, name }
        const below = rootsIn(directories, inside)
        yield { kind: 'entry', entry: { kind: 'directory', name, mode, mtimeNs } }
        levels.push({ path, roots: inOrder(below), next: 0 })
      } else if (stats.isSymbolicLink()) {
        const target = readlinkSync(directories.path(node, name), { encoding: 'buffer' })
        yield { kind: 'entry', entry: { kind: 'symlink', name, mtimeNs, target } }
      } else yield { kind: 'failed', path, code: 'ERR_AMST_PATH' }
    } catch (error) {
      yield { kind: 'failed', path, code: codeOf(error) }
    }
  }
}

/** Names the file by what came first, if any did. */
function otherName(linked: Map<string, { readonly path: Buffer; left: number }>, stats: BigIntStats, path: Buffer): Buffer | undefined {
  const key = `${stats.dev}:${stats.ino}`
  const former = linked.get(key)
  if (!former) {
    linked.set(key, { path, left: Number(stats.nlink) - 1 })
    return undefined
  }
  former.left -= 1
  if (former.left === 0) linked.delete(key)
  return former.path
}

const inOrder = (roots: readonly TreeRoot[]): readonly TreeRoot[] => roots.toSorted((a, b) => Buffer.compare(a.name, b.name))
