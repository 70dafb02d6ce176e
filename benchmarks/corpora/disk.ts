import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../harness/program.js'
import { corpusFile, withScratch } from './corpora-folder.js'
import { debianPackage, debianPair } from './packages.js'
import type { BuiltPair } from './pairs.js'
import { unpackDebian } from './releases.js'

const IMAGE_SIZE = '128M'
/** Fixed, so that two images differ by their files alone. */
const UUID = '6d2b79f5-0000-4000-8000-000000000001'
const HASH_SEED = '6d2b79f5-0000-4000-8000-000000000002'
const MADE_AT = '1700000000'

const UPGRADED = [
  ['git', '1:2.39.5-0+deb12u2', '1:2.39.5-0+deb12u3'],
  ['libssl3', '3.0.20-1~deb12u2', '3.0.22-1~deb12u2'],
  ['perl-base', '5.36.0-7+deb12u3', '5.36.0-7+deb12u4'],
] as const
const UNCHANGED = ['libc6', 'coreutils', 'bash']
const ADDED = ['libcurl4']

/** An ext4 image of a small Debian before and after an upgrade, a new package and some lines of log; as mkfs lays the files out. */
export async function diskPair(): Promise<BuiltPair> {
  const kind = `ext4 image of ${IMAGE_SIZE}, ${UPGRADED.map(([name]) => name).join(', ')} upgraded, ${ADDED.join()} added`
  const image = (side: string, later: boolean): Promise<string> =>
    corpusFile(`disk/rootA.${side}.img`, (path) => withScratch((root) => makeImage(path, root, later)))
  return { before: await image('a', false), after: await image('b', true), kind }
}

async function makeImage(path: string, root: string, later: boolean): Promise<void> {
  const pairs = await Promise.all(
    UPGRADED.map(async ([name, before, after]) => ({ name, versions: await debianPair(name, before, after) })),
  )
  for (const name of UNCHANGED) await unpackDebian(await debianPackage(name), root)
  for (const { name, versions } of pairs) await unpackDebian(await debianPackage(name, versions[0]), root)
  if (later) {
    for (const { name, versions } of pairs) await unpackDebian(await debianPackage(name, versions[1]), root)
    for (const name of ADDED) await unpackDebian(await debianPackage(name), root)
    await writeFile(join(root, 'var/auth.log'), logins())
  }
  const options = ['-b', '4096', '-U', UUID, '-E', `hash_seed=${HASH_SEED},lazy_itable_init=0,lazy_journal_init=0`, '-d', root]
  // mkfs lies in sbin, which is not on everybody's PATH.
  const env = { E2FSPROGS_FAKE_TIME: MADE_AT, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
  await runProgram('mkfs.ext4', ['-q', '-F', ...options, path, IMAGE_SIZE], { env })
}

function logins(): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const line = (index: number): string =>
    `Nov 22 06:${two(index % 60)}:00 node sshd[${index * 37}]: Accepted publickey for root from 10.0.${index % 7}.${index % 250}\n`
  return Array.from({ length: 200 }, (_, index) => line(index + 1)).join('')
}
