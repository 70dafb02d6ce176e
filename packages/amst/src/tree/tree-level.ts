import { amstError } from '../errors.js'
import type { DirectoryNode } from './open-directories.js'

/** A directory of a tree that arrives, until all that is in it is there. */
export class TreeLevel {
  readonly node: DirectoryNode
  readonly parent: TreeLevel | undefined
  /** The tree's root. */
  readonly top: TreeLevel
  readonly attributes: { readonly mode: number; readonly mtimeNs: bigint } | undefined
  /** From the tree's root, which has none. */
  readonly path: Buffer | undefined
  /** Files and directories in it that are not there yet. */
  pending = 0
  /** The manifest has left it. */
  isClosed = false
  /** It could not be made: what is in it is passed over. */
  isSkipped = false
  #lastName: Buffer | undefined

  constructor(node: DirectoryNode, parent: TreeLevel | undefined, attributes: TreeLevel['attributes']) {
    this.node = node
    this.parent = parent
    this.top = parent?.top ?? this
    this.attributes = attributes
    this.path = parent?.pathOf(node.name)
  }

  pathOf(name: Buffer): Buffer {
    return this.path ? Buffer.concat([this.path, Buffer.from('/'), name]) : name
  }

  /** Names come in the order of their bytes, so that none can come twice. @throws `ERR_AMST_PROTOCOL` */
  follow(name: Buffer): void {
    if (this.#lastName && Buffer.compare(this.#lastName, name) >= 0)
      throw amstError('ERR_AMST_PROTOCOL', 'the names in a manifest are not in order')
    this.#lastName = name
  }
}
