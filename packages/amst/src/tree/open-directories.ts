import { closeSync, constants, openSync } from 'node:fs'

/** A directory by its way down from a root that is open. */
export interface DirectoryNode {
  readonly parent: DirectoryNode | undefined
  readonly name: Buffer
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
/** Open at once, beside the roots. More than a way down is long, so that what was opened last stays open. */
const OPEN_MAX = 256

/**
 * Directories, opened step by step and never through a symbolic link, whoever moves things meanwhile: each step begins at the open
 * descriptor of the one before. Linux only: `/proc/self/fd/N/name` is there what `openat` is in C.
 */
export class OpenDirectories implements Disposable {
  readonly #roots = new Map<DirectoryNode, number>()
  readonly #open = new Map<DirectoryNode, number>()

  /** Follows links: whoever gives a root means it. */
  addRoot(path: string | Buffer): DirectoryNode {
    const node = { parent: undefined, name: Buffer.alloc(0) }
    this.#roots.set(node, openSync(path, O_RDONLY | O_DIRECTORY))
    return node
  }

  /** A path to `name` in the directory, good until other directories are asked for; '.' is the directory itself. */
  path(node: DirectoryNode, name: Buffer | '.'): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.#descriptor(node)}/`), name === '.' ? Buffer.from('.') : name])
  }

  [Symbol.dispose](): void {
    for (const fd of [...this.#open.values(), ...this.#roots.values()]) closeSync(fd)
    this.#open.clear()
    this.#roots.clear()
  }

  #descriptor(wanted: DirectoryNode): number {
    const way: DirectoryNode[] = []
    let node: DirectoryNode | undefined = wanted
    while (node && this.#known(node) === undefined) {
      way.push(node)
      node = node.parent
    }
    let fd = node && this.#known(node)
    if (fd === undefined) throw new TypeError('the directory is below no root of these')
    for (const next of way.toReversed()) {
      fd = openSync(Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), next.name]), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      this.#open.set(next, fd)
    }
    if (node && this.#open.has(node)) this.#touch(node)
    this.#closeOldest()
    return fd
  }

  #known(node: DirectoryNode): number | undefined {
    return this.#roots.get(node) ?? this.#open.get(node)
  }

  /** The map's order is the order of use. */
  #touch(node: DirectoryNode): void {
    const fd = this.#open.get(node)
    if (fd === undefined) return
    this.#open.delete(node)
    this.#open.set(node, fd)
  }

  #closeOldest(): void {
    for (const [node, fd] of this.#open) {
      if (this.#open.size <= OPEN_MAX) return
      this.#open.delete(node)
      closeSync(fd)
    }
  }
}

/** How far below its root. */
export function depthOf(node: DirectoryNode): number {
  let depth = 0
  for (let at = node.parent; at; at = at.parent) depth += 1
  return depth
}
