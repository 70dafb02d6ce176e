import { readFile } from 'node:fs/promises'
import { bytesBase, createDeltaDecoder, createDeltaEncoder, type DeltaLevel } from '@dwcp/hde'
import type { Contender, Measurement } from '../../harness/suite.js'
import { cpuStopwatch } from '../encoding/page-transfer.js'
import { BATCH_DOCUMENTS, encodeInBatches } from './document-batches.js'
import { measurement } from './metrics.js'
import type { WorkingFiles } from './working-files.js'

/**
 * `dwcp delta` without its process: the same functions on bytes that are in memory already, once unmeasured before the first run,
 * so that Node's start, the loading of modules and the compiling of JavaScript are over.
 */
export function inProcessContender(level: DeltaLevel, files: WorkingFiles): Contender {
  let warm = false
  const run: Contender['run'] = async () => {
    const [after, before] = await Promise.all([readFile(files.after), files.before === undefined ? undefined : readFile(files.before)])
    if (!warm) await encodeAndDecode(level, after, before)
    warm = true
    return encodeAndDecode(level, after, before)
  }
  return { name: `in process, ${level}`, ours: true, run }
}

async function encodeAndDecode(level: DeltaLevel, after: Uint8Array, before: Uint8Array | undefined): Promise<Measurement> {
  const base = before === undefined ? {} : { base: bytesBase(before) }
  const encodeCpu = cpuStopwatch()
  const frames: Uint8Array[] = []
  for await (const frame of createDeltaEncoder({ level }).encode(after, base)) frames.push(frame)
  const encodeSeconds = encodeCpu()
  const packed = Buffer.concat(frames)
  const unpacked = new Uint8Array(after.length).fill(1)
  let at = 0
  const decodeCpu = cpuStopwatch()
  for await (const part of createDeltaDecoder().decode(packed, base)) {
    unpacked.set(part, at)
    at += part.length
  }
  const decodeSeconds = decodeCpu()
  if (at !== after.length || Buffer.compare(unpacked, after) !== 0) throw new Error('what was decoded is not what was encoded')
  return measurement(packed.length, after.length, encodeSeconds, decodeSeconds)
}

/** JSON lines in batches of documents, with their former versions; warmed likewise. */
export function documentsContender(files: WorkingFiles): Contender {
  let warm = false
  const run: Contender['run'] = async () => {
    const [after, before] = await Promise.all([readFile(files.after), files.before === undefined ? undefined : readFile(files.before)])
    if (!warm) await encodeInBatches(after, before)
    warm = true
    const { wireBytes, encodeSeconds, decodeSeconds } = await encodeInBatches(after, before)
    return measurement(wireBytes, after.length, encodeSeconds, decodeSeconds)
  }
  return { name: `in process, documents in batches of ${BATCH_DOCUMENTS}`, ours: true, run }
}
