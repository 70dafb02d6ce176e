import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDeltaDecoder, createDeltaEncoder, fileBase } from '../src/index.ts'
import { noise } from './support.ts'

const MIB = 2 ** 20
/** Of the base and the object, each: more than a window. Past 4 GiB in the long form. */
const LARGE_MIB = Number(process.env['DWCP_LARGE_MIB'] ?? 320)
const PIECE_BYTES = 2 * MIB
const SHIFT_BYTES = 12_345
/** A window, a block, three times a block for its streams, an index, and what Node takes: see README § Bytes and files. */
const MEMORY_BYTES = 1_536 * MIB

/** Sparse but for pieces that cannot be compressed, every 512 MiB and at its end, each `shift` bytes further. */
async function writeSparse(path: string, lengthBytes: number, shift: number): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.truncate(lengthBytes)
    for (let at = 0; at < lengthBytes - 2 * PIECE_BYTES; at += 512 * MIB)
      await file.write(noise(at / MIB, PIECE_BYTES), 0, PIECE_BYTES, at + shift)
    await file.write(noise(1, PIECE_BYTES), 0, PIECE_BYTES, lengthBytes - PIECE_BYTES)
  } finally {
    await file.close()
  }
}

/** The most memory that this process ever held. */
async function peakBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8')
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024
}

test('objects and bases of any size are described in bounded memory, and come back', { timeout: 60_000 + LARGE_MIB * 200 }, async ({
  onTestFinished,
}) => {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-large-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [before, after] = [join(folder, 'before'), join(folder, 'after')]
  await writeSparse(before, LARGE_MIB * MIB, 0)
  await writeSparse(after, LARGE_MIB * MIB + 7, SHIFT_BYTES)
  await using base = await fileBase(before)
  await using object = await fileBase(after)
  const stream: Uint8Array[] = []
  for await (const frame of createDeltaEncoder({ level: 'fast' }).encode(object, { base })) stream.push(frame)
  // Every piece was found where it had moved from.
  expect(Buffer.concat(stream).length).toBeLessThan(MIB)
  let at = 0
  for await (const part of createDeltaDecoder().decode(Buffer.concat(stream), { base })) {
    const same = Buffer.compare(part, await object.read(at, part.length)) === 0
    expect(same, `the part at ${at}`).toBe(true)
    at += part.length
  }
  expect(at).toBe(LARGE_MIB * MIB + 7)
  if (process.platform === 'linux') expect(await peakBytes()).toBeLessThan(MEMORY_BYTES)
})
