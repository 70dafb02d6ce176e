import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { SuiteContext } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'
import type { Hold } from './in-lab.js'

const RSYNC_PORT = 8730
const RCLONE_PORT = 8731
/** For a server to begin. */
const PATIENCE_MS = 10_000

/** Another program that copies files, its server on side b in `to`. */
export interface FileCopier {
  readonly name: string
  /** From side a, whole directories. */
  copy(from: string, into: string): readonly string[]
}

/** rsync and rclone, as far as they are here; their servers end with the case. `root`: for what they are configured by. */
export async function fileCopiers(lab: WanLab, root: string, to: string, hold: Hold, context: SuiteContext): Promise<FileCopier[]> {
  const copiers: FileCopier[] = []
  const host = lab.address('b')
  if (await isHere('rsync')) {
    const config = join(root, 'rsyncd.conf')
    await writeFile(config, `use chroot = no\nuid = 0\ngid = 0\n[all]\n  path = ${to}\n  read only = no\n`)
    await serve(lab, hold, RSYNC_PORT, [
      'rsync',
      '--daemon',
      '--no-detach',
      '--config',
      config,
      '--port',
      `${RSYNC_PORT}`,
      '--address',
      host,
    ])
    const at = `rsync://${host}:${RSYNC_PORT}/all`
    copiers.push({ name: 'rsync -a to a daemon', copy: (from, into) => ['rsync', '-a', `${from}/`, `${at}/${into}/`] })
  } else context.note('without rsync, which is not here')
  if (await isHere('rclone')) {
    const config = ['--config', '/dev/null']
    await serve(lab, hold, RCLONE_PORT, ['rclone', ...config, '-q', 'serve', 'webdav', to, '--addr', `${host}:${RCLONE_PORT}`])
    const remote = ['--webdav-url', `http://${host}:${RCLONE_PORT}`, '--transfers', '16', '--checkers', '16']
    copiers.push({
      name: 'rclone copy to WebDAV, 16 at once',
      copy: (from, into) => ['rclone', ...config, 'copy', from, `:webdav:${into}`, ...remote],
    })
  } else context.note('without rclone, which is not here')
  return copiers
}

async function serve(lab: WanLab, hold: Hold, port: number, command: readonly string[]): Promise<void> {
  const child = lab.spawn('b', command, { stdio: ['ignore', 'ignore', 'inherit'] })
  hold(ending(child))
  const look = [
    process.execPath,
    '-e',
    `require('net').connect(${port},'${lab.address('b')}').on('connect',()=>process.exit()).on('error',()=>process.exit(1))`,
  ]
  for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; await sleep(50)) {
    const isThere = await lab.exec('b', look).then(
      () => true,
      () => false,
    )
    if (isThere) return
  }
  throw new Error(`${command[0]} did not listen within ${PATIENCE_MS} ms`)
}

const isHere = (program: string): Promise<boolean> =>
  promisify(execFile)(program, ['--version']).then(
    () => true,
    () => false,
  )

export const ending = (child: ChildProcess): AsyncDisposable => ({
  async [Symbol.asyncDispose]() {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill()
    await once(child, 'exit')
  },
})
