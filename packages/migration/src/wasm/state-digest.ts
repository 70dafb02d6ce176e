import type { Digest } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { createPageTree } from '../page-tree.js'
import { encodeHostState } from './host-state.js'
import type { Program } from './program.js'

/** Of dirty tracking, copying and the digest. */
export const PAGE_BYTES: number = 4096
/** Pages copied and hashed at a time: 1 MiB. */
export const BATCH_PAGES: number = 256

/**
 * The digest of all that follows from a program's inputs: memory, globals, generator, mailbox. What belongs to a host
 * (how fast it is, what has not reached a slice yet) is left out, so that a replay arrives at the same one.
 * Cost: hashes the whole memory.
 */
export function stateDigest(program: Program, hash: Hash): Digest {
  const { buffer } = program.memory
  const tree = createPageTree(hash, [{ pageBytes: PAGE_BYTES, lengthBytes: buffer.byteLength, maxLengthBytes: buffer.byteLength }])
  const total = buffer.byteLength / PAGE_BYTES
  for (let first = 0; first < total; first += BATCH_PAGES) {
    const pages = Uint32Array.from({ length: Math.min(BATCH_PAGES, total - first) }, (_, i) => first + i)
    tree.update(0, pages, new Uint8Array(buffer, first * PAGE_BYTES, pages.length * PAGE_BYTES))
  }
  const state = program.state(0, 1)
  tree.opaque(encodeHostState({ ...state, mailbox: { ...state.mailbox, arrivals: [] } }))
  return tree.root()
}
