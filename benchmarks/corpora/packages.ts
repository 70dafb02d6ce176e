import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../harness/program.js'
import { CORPORA_FOLDER, CorpusAbsent, isPresent, withScratch } from './corpora-folder.js'

const DOWNLOADS = join(CORPORA_FOLDER, 'packages')

/** The tarball of `name@version` from the npm registry. */
export function npmTarball(name: string, version: string): Promise<string> {
  return download(`${name}-${version}.tgz`, 'npm', ['pack', '--silent', `${name}@${version}`])
}

/** The Debian package, from apt's sources; `version` undefined: the one that apt would install. */
export async function debianPackage(name: string, version?: string): Promise<string> {
  const chosen = version ?? (await debianVersions(name)).at(-1)
  return download(`${name}_${chosen}.deb`, 'apt-get', ['download', `${name}=${chosen}`])
}

/** The two versions wished for where apt offers both, else the oldest and the newest that it offers: Debian removes old ones. */
export async function debianPair(name: string, before: string, after: string): Promise<readonly [string, string]> {
  const kept = await Promise.all([before, after].map((version) => isPresent(join(DOWNLOADS, `${name}_${version}.deb`))))
  if (kept.every(Boolean)) return [before, after]
  const offered = await debianVersions(name)
  if (offered.includes(before) && offered.includes(after)) return [before, after]
  const [oldest, newest] = [offered.at(0), offered.at(-1)]
  if (oldest === undefined || newest === undefined || oldest === newest)
    throw new CorpusAbsent(`apt offers no two versions of ${name} (it offers: ${offered.join(', ') || 'none'})`)
  return [oldest, newest]
}

/** Oldest first. */
async function debianVersions(name: string): Promise<readonly string[]> {
  const { stdout } = await runProgram('apt-cache', ['madison', name]).catch(refuse(`apt-cache does not know ${name}`))
  return [...new Set(stdout.split('\n').flatMap((line) => line.split('|')[1]?.trim() || []))].toReversed()
}

async function download(file: string, program: string, args: readonly string[]): Promise<string> {
  const path = join(DOWNLOADS, file)
  if (await isPresent(path)) return path
  await mkdir(DOWNLOADS, { recursive: true })
  return withScratch(async (folder) => {
    await runProgram(program, args, { folder }).catch(refuse(`${program} ${args.join(' ')} brought nothing`))
    const [found] = await readdir(folder)
    if (found === undefined) throw new CorpusAbsent(`${program} ${args.join(' ')} brought nothing`)
    await rename(join(folder, found), path)
    return path
  })
}

function refuse(what: string): (cause: unknown) => never {
  return (cause) => {
    throw new CorpusAbsent(what, { cause })
  }
}
