import { readFile } from 'node:fs/promises'
import type { Contender } from '../../harness/suite.js'
import type { WorkingFiles } from './working-files.js'
import { decodePage, encodePage, PAGE_BYTES } from './xbzrle.js'

/** Of QEMU's RAM stream: each page's offset and flags; a byte for a zero page; a flag and a length for an XBZRLE page. */
const PAGE_HEADER_BYTES = 8
const ZERO_PAGE_BYTES = PAGE_HEADER_BYTES + 1
const XBZRLE_HEADER_BYTES = PAGE_HEADER_BYTES + 3

/**
 * What QEMU would send of a second round, with a cache that holds every page of the first. Ours, in JavaScript, for its bytes: its
 * time would say nothing of QEMU's, and is not given.
 */
export function xbzrleContender(files: WorkingFiles, before: string): Contender {
  const run: Contender['run'] = async () => {
    const [earlier, later] = await Promise.all([readFile(before), readFile(files.after)])
    const page = (memory: Uint8Array, at: number): Uint8Array => memory.subarray(at, at + PAGE_BYTES)
    let bytes = 0
    for (let at = 0; at < later.length; at += PAGE_BYTES) {
      const [older, newer] = [page(earlier, at), page(later, at)]
      if (Buffer.compare(older, newer) === 0) continue
      if (Buffer.compare(newer, ZERO_PAGE) === 0) {
        bytes += ZERO_PAGE_BYTES
        older.fill(0)
        continue
      }
      const encoded = encodePage(older, newer)
      if (encoded === undefined) older.set(newer)
      else decodePage(encoded, older)
      bytes += encoded === undefined ? PAGE_HEADER_BYTES + PAGE_BYTES : XBZRLE_HEADER_BYTES + encoded.length
    }
    if (Buffer.compare(earlier, later) !== 0) throw new Error('what XBZRLE decoded is not what it encoded')
    return { bytes }
  }
  return { name: 'XBZRLE (our implementation)', ours: false, slow: true, run }
}

const ZERO_PAGE = new Uint8Array(PAGE_BYTES)
