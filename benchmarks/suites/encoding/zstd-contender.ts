import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryFolder } from '../../harness/memory-folder.js'
import { runProgram } from '../../harness/program.js'
import type { Contender, Measurement } from '../../harness/suite.js'
import type { MemoryCost } from './metrics.js'

/** The files that the zstd command works on, in memory (/dev/shm) where there is one. */
export interface ZstdFiles extends AsyncDisposable {
  readonly memory: string
  readonly before: string | undefined
  readonly packed: string
  readonly unpacked: string
}

export async function zstdFiles(memory: Uint8Array, before?: Uint8Array): Promise<ZstdFiles> {
  const folder = await mkdtemp(join(await memoryFolder(), 'dwcp-zstd-'))
  const files = {
    memory: join(folder, 'memory'),
    before: before && join(folder, 'before'),
    packed: join(folder, 'packed'),
    unpacked: join(folder, 'unpacked'),
  }
  await writeFile(files.memory, memory)
  if (before !== undefined && files.before !== undefined) await writeFile(files.before, before)
  return { ...files, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/**
 * The zstd command on the same bytes, with `--patch-from` where there is an earlier version, one thread (with several its patches come out up to 4.5 times larger), its time
 * that of the whole process: some milliseconds of start, and reading and writing files in memory.
 */
export function zstdContender(level: number, files: ZstdFiles, cost: (cost: MemoryCost) => Measurement): Contender {
  const from = files.before === undefined ? [] : [`--patch-from=${files.before}`]
  const run = async (): Promise<Measurement> => {
    const encode = await timed(['-qf', `-${level}`, '--single-thread', '--long=31', ...from, files.memory, '-o', files.packed])
    const decode = await timed(['-qdf', '--long=31', '--memory=2048MB', ...from, files.packed, '-o', files.unpacked])
    const [unpacked, memory, packed] = await Promise.all([readFile(files.unpacked), readFile(files.memory), stat(files.packed)])
    if (!unpacked.equals(memory)) throw new Error('zstd did not give back what it was given')
    return cost({ wireBytes: packed.size, encodeSeconds: encode, decodeSeconds: decode })
  }
  return { name: `zstd -${level}`, ours: false, run }
}

async function timed(args: readonly string[]): Promise<number> {
  return (await runProgram('zstd', args)).cpuSeconds
}
