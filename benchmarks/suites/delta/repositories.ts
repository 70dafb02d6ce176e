import { copyFile, cp, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ProgramOptions, type ProgramRun, runProgram } from '../../harness/program.js'
import type { Contender } from '../../harness/suite.js'
import { measurement } from './metrics.js'
import type { WorkingFiles } from './working-files.js'

/** A program that keeps versions in a repository and stores of each what it has not seen. */
export interface RepositoryProgram {
  readonly name: string
  readonly program: string
  readonly env: (home: string) => Readonly<Record<string, string>>
  /** Run in the folder that holds the repository; the version to keep is `tree/data`. */
  init?: readonly string[]
  readonly add: (version: string) => readonly string[]
  /** As a shell command, whose $1 is the file to write. */
  readonly extract: string
  /** Whether a file, by its path from the folder on, is something that the other side must be sent. */
  readonly counts: (path: string) => boolean
}

const restic: RepositoryProgram = {
  name: 'restic',
  program: 'restic',
  env: () => ({ RESTIC_PASSWORD: 'benchmark', GOMAXPROCS: '1' }),
  init: ['-q', '--no-cache', '-r', 'repository', 'init'],
  add: () => ['-q', '--no-cache', '-r', 'repository', 'backup', 'tree'],
  extract: 'restic -q --no-cache -r repository dump latest /tree/data > "$1"',
  counts: () => true,
}

const borg: RepositoryProgram = {
  name: 'borg',
  program: 'borg',
  env: (home) => ({ BORG_BASE_DIR: home, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' }),
  init: ['init', '-e', 'none', 'repository'],
  add: (version) => ['create', '-C', 'zstd,3', `repository::${version}`, 'tree'],
  extract: 'borg extract --stdout repository::after tree/data > "$1"',
  // Its index of the whole repository is written anew each time, and every side makes its own.
  counts: (path) => path.startsWith('repository/data/'),
}

const casync: RepositoryProgram = {
  name: 'casync',
  program: 'casync',
  env: () => ({}),
  add: (version) => ['make', '--store=repository', `${version}.caibx`, 'tree/data'],
  extract: 'casync extract --store=repository after.caibx "$1"',
  counts: () => true,
}

export const REPOSITORY_PROGRAMS: readonly RepositoryProgram[] = [restic, borg, casync]

/** Keeps `before` once; each run begins from a copy of that and keeps `after`. Bytes: by how much the files of the repository grew. */
export async function repositoryContender(program: RepositoryProgram, files: WorkingFiles): Promise<Contender> {
  const prepared = join(files.folder, `${program.name}-prepared`)
  const folder = join(files.folder, program.name)
  const options: ProgramOptions = { folder, env: program.env(join(folder, 'home')) }
  const add = (version: string): Promise<ProgramRun> => runProgram(program.program, program.add(version), options)

  await mkdir(join(folder, 'tree'), { recursive: true })
  await mkdir(join(folder, 'repository'))
  if (program.init !== undefined) await runProgram(program.program, program.init, options)
  if (files.before !== undefined) {
    await copyFile(files.before, join(folder, 'tree/data'))
    await add('before')
  }
  await copyFile(files.after, join(folder, 'tree/data'))
  await cp(folder, prepared, { recursive: true })

  const run: Contender['run'] = async () => {
    await rm(folder, { recursive: true })
    await cp(prepared, folder, { recursive: true })
    await rm(files.unpacked, { force: true })
    const atFirst = await storedBytes(folder, program)
    const added = await add('after')
    const bytes = (await storedBytes(folder, program)) - atFirst
    const extracted = await runProgram('bash', ['-c', program.extract, 'bash', files.unpacked], options)
    await files.verify()
    return measurement(bytes, files.afterBytes, added.cpuSeconds, extracted.cpuSeconds)
  }
  // Compared with for their bytes: more runs would only take long.
  return { name: program.name, ours: false, slow: true, run }
}

async function storedBytes(folder: string, { counts }: RepositoryProgram): Promise<number> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
  const counted = paths.filter((path) => !path.startsWith('tree/') && counts(path))
  const sizes = await Promise.all(counted.map(async (path) => (await stat(join(folder, path))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
