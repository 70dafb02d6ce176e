import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../harness/program.js'
import { CORPORA_FOLDER, corpusFile, isPresent, withScratch } from './corpora-folder.js'
import { debianPackage, debianPair, npmTarball } from './packages.js'
import type { BuiltPair } from './pairs.js'

/** Everything about a file but its bytes and its name is made the same, so that a pair differs by its contents. */
const PLAIN_TAR = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']

export async function npmRelease(name: string, before: string, after: string): Promise<BuiltPair> {
  const plain = (side: string, version: string): Promise<string> =>
    corpusFile(`release/${name}.${side}.tar`, async (path) => {
      const packed = await npmTarball(name, version)
      await withScratch(async (folder) => {
        await runProgram('tar', ['xzf', packed, '-C', folder])
        await runProgram('tar', [...PLAIN_TAR, '-C', folder, '-cf', path, '.'])
      })
    })
  return { before: await plain('a', before), after: await plain('b', after), kind: `npm package ${name} ${before} to ${after}, as a tar` }
}

/** `name`: of its files; the versions are written beside them, since Debian may not offer the ones wished for. */
export async function debianRelease(name: string, packageName: string, before: string, after: string): Promise<BuiltPair> {
  const [files, versionsFile] = [[`release/${name}.a.tar`, `release/${name}.b.tar`], join(CORPORA_FOLDER, `release/${name}.versions`)]
  const built = await Promise.all(files.map((file) => isPresent(join(CORPORA_FOLDER, file))))
  if (!built.every(Boolean)) await buildDebian(files, versionsFile, packageName, await debianPair(packageName, before, after))
  const [older = '', newer = ''] = files.map((file) => join(CORPORA_FOLDER, file))
  const versions = await readFile(versionsFile, 'utf8').catch(() => '(versions not recorded)')
  return { before: older, after: newer, kind: `Debian package ${packageName} ${versions.trim()}, as a tar` }
}

async function buildDebian(files: readonly string[], versionsFile: string, name: string, versions: readonly string[]): Promise<void> {
  for (const [index, file] of files.entries()) {
    await corpusFile(file, async (path) => {
      await runProgram('bash', ['-c', 'dpkg-deb --fsys-tarfile "$1" > "$2"', 'bash', await debianPackage(name, versions[index]), path])
    })
  }
  await writeFile(versionsFile, `${versions.join(' to ')}\n`)
}

/** Unpacks the files of a Debian package over those in `root`, without what a small image leaves out. */
export async function unpackDebian(packed: string, root: string): Promise<void> {
  await mkdir(root, { recursive: true })
  const script =
    'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar xf - -C "$2" --keep-directory-symlink --exclude=./usr/share/{locale,doc,man,i18n}'
  await runProgram('bash', ['-c', script, 'bash', packed, root])
}
