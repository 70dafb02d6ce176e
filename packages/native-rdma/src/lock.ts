import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DwcpError } from '@dwcp/interface'

const ROUNDS = 8

/**
 * Keeps other processes of this host out of `directory` until disposed or until this process ends, however it ends: the
 * lock names the process by pid and start time, so a pid that was given out again does not hold it. It is a file named `lock`.
 *
 * @param code - Of the error that says that another process is there.
 * @throws `code`, `retryable` where the directory only changes hands too fast; what the file system throws.
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { lockDirectory } from '@dwcp/native-rdma/lock'
 * const directory = await mkdtemp(join(tmpdir(), 'mine-'))
 * await using _lock = await lockDirectory(directory, 'ERR_MINE_LOCKED')
 * ```
 * @public
 */
export async function lockDirectory(directory: string, code: string): Promise<AsyncDisposable> {
  const path = join(directory, 'lock')
  const mine = join(directory, `lock.${process.pid}.${crypto.randomUUID()}`)
  await writeFile(mine, await describe(process.pid), { flag: 'wx', mode: 0o600 })
  try {
    // link() is atomic and fails where the lock exists; the second round follows the removal of a dead owner's lock.
    for (let round = 0; round < ROUNDS; round++) {
      if (await tryLink(mine, path)) return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
      const owner = await readOwner(path)
      if (owner === undefined) continue
      if (await isAlive(owner)) {
        const text = `${directory} is in use by process ${owner.split(' ')[0]}: use another directory, or end that process`
        throw new DwcpError(code, text, { details: { directory, owner } })
      }
      await takeAway(path, owner, `${mine}.stale`)
    }
    throw new DwcpError(code, `${directory} changes hands too fast to be locked`, { retryable: true, details: { directory } })
  } finally {
    await rm(mine, { force: true })
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/** Moves a dead owner's lock aside; if another process was faster and the lock moved is a live one, puts it back. */
async function takeAway(path: string, owner: string, aside: string): Promise<void> {
  try {
    await rename(path, aside)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw error
  }
  if ((await readFile(aside, 'utf8')) !== owner) await tryLink(aside, path)
  await rm(aside, { force: true })
}

async function readOwner(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function isAlive(owner: string): Promise<boolean> {
  const pid = Number(owner.split(' ')[0])
  if (!Number.isInteger(pid) || pid <= 0) return false
  return (await describe(pid)) === owner
}

/** `<pid> <boot id> <start time in ticks>`; where /proc is missing, `<pid>` alone while the process lives. */
async function describe(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything, blanks and parentheses too: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return `${pid} gone`
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    return `${pid} ${boot} ${fields[19]}`
  } catch (error) {
    if (!isCode(error, 'ENOENT') && !isCode(error, 'ESRCH')) throw error
    return process.platform !== 'linux' && isRunning(pid) ? `${pid}` : `${pid} gone`
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
