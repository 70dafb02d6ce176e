import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { runProgram } from '../harness/program.js'
import { BENCHMARKS } from '../harness/results.js'
import { CorpusAbsent, corpusFile, isPresent } from './corpora-folder.js'
import type { BuiltPair } from './pairs.js'

/** Packed RAM dumps of two 256 MiB guests (kvA: redis, dbB: sqlite). Not part of this repository; `DWCP_VM_DUMPS` says where they are. */
const DUMPS_FOLDER: string = process.env['DWCP_VM_DUMPS'] ?? resolve(BENCHMARKS, '../../shared/data/vm')

/** Each but the first packed against another. */
const BASES = {
  'kvA-t00': undefined,
  'kvA-t05': 'kvA-t00',
  'kvA-t30': 'kvA-t05',
  'dbB-t00': 'kvA-t00',
  'dbB-t05': 'dbB-t00',
  'dbB-t30': 'dbB-t05',
} as const

export type DumpName = keyof typeof BASES

/** The path of a dump, unpacked and with the digest that it must have. */
export function guestMemory(name: DumpName): Promise<string> {
  return corpusFile(`vm/${name}.mem`, async (path) => {
    const base = BASES[name]
    const packed = join(DUMPS_FOLDER, base === undefined ? `${name}.mem.zst` : `${name}.mem.zp`)
    if (!(await isPresent(packed))) throw new CorpusAbsent(`no RAM dump ${packed} (DWCP_VM_DUMPS says where they are)`)
    const from = base === undefined ? [] : [`--patch-from=${await guestMemory(base)}`]
    await runProgram('zstd', ['-qdf', '--long=31', '--memory=2048MB', ...from, packed, '-o', path]).catch((cause: unknown) => {
      throw new CorpusAbsent(`the zstd command did not unpack ${packed}`, { cause })
    })
    await verify(path, name)
  })
}

/** The RAM of one guest given that of another, or of an earlier instant. */
export async function guestPair(before: DumpName, after: DumpName): Promise<BuiltPair> {
  return { before: await guestMemory(before), after: await guestMemory(after), kind: `RAM of a guest, ${after} given ${before}` }
}

async function verify(path: string, name: DumpName): Promise<void> {
  const sums = await readFile(join(DUMPS_FOLDER, 'SHA256SUMS'), 'utf8')
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  if (!sums.includes(`${hash.digest('hex')}  ${name}.mem\n`)) throw new Error(`${name}.mem is not the dump that SHA256SUMS names`)
}
