import { execFile } from 'node:child_process'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { BENCHMARKS } from '../../harness/results.js'

/** Packed RAM dumps of two 256 MiB guests (kvA: redis, dbB: sqlite). Not part of this repository; `DWCP_VM_DUMPS` says where they are. */
export const DUMPS_FOLDER: string = process.env['DWCP_VM_DUMPS'] ?? resolve(BENCHMARKS, '../../shared/data/vm')

/** Each packed against another, so that they are unpacked in this order. */
const PACKED = [
  { name: 'kvA-t00', packed: 'kvA-t00.mem.zst', base: undefined },
  { name: 'kvA-t05', packed: 'kvA-t05.mem.zp', base: 'kvA-t00' },
  { name: 'dbB-t00', packed: 'dbB-t00.mem.zp', base: 'kvA-t00' },
  { name: 'dbB-t05', packed: 'dbB-t05.mem.zp', base: 'dbB-t00' },
] as const

export type DumpName = (typeof PACKED)[number]['name']

export async function dumpsArePresent(): Promise<boolean> {
  return access(join(DUMPS_FOLDER, PACKED[0].packed)).then(
    () => true,
    () => false,
  )
}

export interface Dumps extends AsyncDisposable {
  read(name: DumpName): Promise<Uint8Array>
}

/** Unpacks all into a folder that goes away with the result. */
export async function openDumps(): Promise<Dumps> {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-dumps-'))
  const path = (name: DumpName): string => join(folder, `${name}.mem`)
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    for (const { name, packed, base } of PACKED) {
      const from = base === undefined ? [] : [`--patch-from=${path(base)}`]
      await promisify(execFile)('zstd', ['-qdf', '--long=31', '--memory=2048MB', ...from, join(DUMPS_FOLDER, packed), '-o', path(name)])
    }
  } catch (cause) {
    await remove()
    throw cause
  }
  return { read: (name) => readFile(path(name)), [Symbol.asyncDispose]: remove }
}
