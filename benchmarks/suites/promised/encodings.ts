import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesBase, createDeltaDecoder, createDeltaEncoder, type DeltaLevel } from '@dwcp/hde'
import { runProgram } from '../../harness/program.js'
import { BATCH_DOCUMENTS, encodeInBatches } from '../delta/document-batches.js'
import { PAGE_BYTES } from '../encoding/page-sets.js'
import { allPages, openPageLink, wholePages } from '../encoding/page-transfer.js'

/** One version, given another or nothing: its bytes on the wire, and what the block tier removed before any codec. Decoded and compared. */
export interface Encoding {
  readonly name: string
  readonly ours: boolean
  encode(version: Uint8Array, before: Uint8Array | undefined): Promise<{ readonly wireBytes: number; readonly removedBytes?: number }>
}

/** The frames of a migration. */
export function pages(profile: 'hybrid' | 'internet'): Encoding {
  return {
    name: `hde ${profile}`,
    ours: true,
    async encode(version, before) {
      const [newer, older] = wholePages(version, before)
      const link = await openPageLink(profile, { before: older })
      const { wireBytes, pages: outcomes } = await link.transfer(allPages(newer))
      return { wireBytes, removedBytes: Math.min(version.length, (outcomes.zero + outcomes.unchanged + outcomes.duplicate) * PAGE_BYTES) }
    },
  }
}

/** Streams of bytes and files. What no literal and no patch describes is removed by copies. */
export function deltaStream(level: DeltaLevel): Encoding {
  return {
    name: `delta ${level}`,
    ours: true,
    async encode(version, before) {
      const base = before === undefined ? {} : { base: bytesBase(before) }
      const encoder = createDeltaEncoder({ level })
      const frames: Uint8Array[] = []
      for await (const frame of encoder.encode(version, base)) frames.push(frame)
      const packed = Buffer.concat(frames)
      let at = 0
      for await (const part of createDeltaDecoder().decode(packed, base)) {
        if (Buffer.compare(part, version.subarray(at, at + part.length)) !== 0) throw new Error(`${level}: other bytes at ${at}`)
        at += part.length
      }
      if (at !== version.length) throw new Error(`${level}: ${at} bytes were decoded of ${version.length}`)
      const { literalBytes, patchBytes } = encoder.stats()
      return { wireBytes: packed.length, removedBytes: Math.max(0, version.length - literalBytes - patchBytes) }
    },
  }
}

/** JSON lines as batches of documents with their former versions. */
export const documents: Encoding = {
  name: `documents, batches of ${BATCH_DOCUMENTS}`,
  ours: true,
  encode: encodeInBatches,
}

/** The zstd command at level 3, in `folder`. */
export function zstd3(folder: string): Encoding {
  const [after, older, packed, unpacked] = ['after', 'before', 'packed', 'unpacked'].map((name) => join(folder, name))
  return {
    name: 'zstd -3',
    ours: false,
    async encode(version, before) {
      await Promise.all([writeFile(`${after}`, version), writeFile(`${older}`, before ?? '')])
      const from = before === undefined ? [] : [`--patch-from=${older}`]
      await runProgram('zstd', ['-qf', '-3', '--single-thread', '--long=31', ...from, `${after}`, '-o', `${packed}`])
      await runProgram('zstd', ['-qdf', '--long=31', '--memory=2048MB', ...from, `${packed}`, '-o', `${unpacked}`])
      if (Buffer.compare(await readFile(`${unpacked}`), version) !== 0) throw new Error('zstd did not give back what it was given')
      return { wireBytes: (await readFile(`${packed}`)).length }
    },
  }
}
