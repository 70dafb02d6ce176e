import { rmSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltPair } from '../../corpora/pairs.js'
import { removeAtExit } from '../../harness/cleanup.js'
import { memoryFolder } from '../../harness/memory-folder.js'
import { runProgram } from '../../harness/program.js'

/** Where the programs find a pair and leave what they make: in memory (/dev/shm) where there is one. */
export interface WorkingFiles extends AsyncDisposable {
  readonly folder: string
  /** What the other side has already; undefined for a first copy. */
  readonly before: string | undefined
  /** 0 for a first copy. */
  readonly beforeBytes: number
  readonly after: string
  readonly afterBytes: number
  readonly packed: string
  readonly unpacked: string
  /** The first bytes of `after`. */
  head(bytes: number): Promise<Uint8Array>
  /** Throws where `unpacked` is not `after`, byte for byte. */
  verify(): Promise<void>
}

export async function workingFiles({ before, after }: BuiltPair): Promise<WorkingFiles> {
  const folder = await mkdtemp(join(await memoryFolder(), 'dwcp-delta-'))
  const file = (name: string): string => join(folder, name)
  const atExit = removeAtExit({ removeNow: () => rmSync(folder, { recursive: true, force: true }) })
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true })
    atExit[Symbol.dispose]()
  }
  try {
    await copyFile(after, file('after'))
    if (before !== undefined) await copyFile(before, file('before'))
    return {
      folder,
      before: before && file('before'),
      beforeBytes: before === undefined ? 0 : (await stat(before)).size,
      after: file('after'),
      afterBytes: (await stat(file('after'))).size,
      packed: file('packed'),
      unpacked: file('unpacked'),
      head: async (bytes) => (await readFile(file('after'))).subarray(0, bytes),
      verify: async () => void (await runProgram('cmp', [file('unpacked'), file('after')])),
      [Symbol.asyncDispose]: remove,
    }
  } catch (cause) {
    await remove()
    throw cause
  }
}
