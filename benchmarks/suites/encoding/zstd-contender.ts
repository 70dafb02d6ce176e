import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Contender } from '../../harness/suite.js'

/** The files that the zstd command works on, in memory (/dev/shm) where there is one. */
export interface ZstdFiles extends AsyncDisposable {
  readonly memory: string
  readonly before: string | undefined
  readonly packed: string
  readonly unpacked: string
}

export async function zstdFiles(memory: Uint8Array, before?: Uint8Array): Promise<ZstdFiles> {
  const folder = await mkdtemp(join(await sharedMemory(), 'dwcp-zstd-'))
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
export function zstdContender(level: number, files: ZstdFiles): Contender {
  const from = files.before === undefined ? [] : [`--patch-from=${files.before}`]
  const run = async (): Promise<Record<string, number>> => {
    const encode = await timed(['-qf', `-${level}`, '--single-thread', '--long=31', ...from, files.memory, '-o', files.packed])
    const decode = await timed(['-qdf', '--long=31', '--memory=2048MB', ...from, files.packed, '-o', files.unpacked])
    const [unpacked, memory, packed] = await Promise.all([readFile(files.unpacked), readFile(files.memory), stat(files.packed)])
    if (!unpacked.equals(memory)) throw new Error('zstd did not give back what it was given')
    return { 'wire bytes': packed.size, 'encode CPU': encode, 'decode CPU': decode }
  }
  return { name: `zstd -${level}`, ours: false, run }
}

/** CPU time of one zstd process in seconds; bash's `time` is the only way to it from Node. */
async function timed(args: readonly string[]): Promise<number> {
  const { stderr } = await promisify(execFile)('bash', ['-c', 'TIMEFORMAT="%U %S"; time zstd "$@"', 'bash', ...args])
  const [user = Number.NaN, system = Number.NaN] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  if (!Number.isFinite(user + system)) throw new Error(`zstd printed no times but: ${stderr}`)
  return user + system
}

async function sharedMemory(): Promise<string> {
  return stat('/dev/shm').then(
    (found) => (found.isDirectory() ? '/dev/shm' : tmpdir()),
    () => tmpdir(),
  )
}
