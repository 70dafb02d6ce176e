import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, realpath, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { amstError } from '../errors.js'
import { openTransferJournal, type TransferJournal } from '../journal.js'
import { STAGING_NAME } from './names.js'

/** Where files are until they are whole, on the file system that they go to; all of it is deleted once nothing is left in it. */
export interface Staging extends AsyncDisposable {
  readonly directory: string
  readonly journal: TransferJournal
  /** A name for what is not resumed. */
  once(): string
}

const JOURNAL = 'journal'
const ONCE = 'once-'
/** What another run may go on with. */
const RESUMED = /^[0-9a-f]{40}/
const RETENTION_MS = 7 * 86_400_000
const OTHERS_MAY_WRITE = 0o022

/**
 * Opens `.dwcp/<name>` in a directory, for this process alone.
 *
 * @throws `ERR_AMST_LOCKED` where another process has it; `ERR_AMST_PATH` where it is another user's.
 */
export async function openStaging(root: string, name: string): Promise<Staging> {
  const above = join(await realpath(root), STAGING_NAME.toString())
  const directory = join(above, name)
  // Before and after: what is there may be another's, and what is not there yet may be made by another.
  await mustBeOurs(above)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await mustBeOurs(above)
  const journal = await openTransferJournal(join(directory, JOURNAL), { retentionMs: RETENTION_MS })
  try {
    await clear(directory)
  } catch (error) {
    await journal[Symbol.asyncDispose]()
    throw error
  }
  let count = 0
  return {
    directory,
    journal,
    once() {
      count += 1
      return `${ONCE}${count}`
    },
    async [Symbol.asyncDispose]() {
      await journal[Symbol.asyncDispose]()
      if ((await readdir(directory)).some((left) => left !== JOURNAL)) return
      await rm(directory, { recursive: true, force: true })
      // Another tree may be on its way into the same directory.
      await rmdir(above).catch(() => undefined)
    },
  }
}

/** The name under which a file that is resumed waits. */
export const stagedName = (peer: string, key: string): string => createHash('sha256').update(`${peer}\0${key}`).digest('hex').slice(0, 40)

/** In a directory that others may write to, one of them may have made ours. */
async function mustBeOurs(above: string): Promise<void> {
  const found = await lstat(above).catch(() => undefined)
  if (!found || (found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & OTHERS_MAY_WRITE) === 0)) return
  throw amstError('ERR_AMST_PATH', `${above} is not a directory of this user alone: remove it`)
}

async function clear(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name === JOURNAL) continue
    const path = join(directory, name)
    if (!RESUMED.test(name) || Date.now() - (await stat(path)).mtimeMs > RETENTION_MS) await rm(path, { force: true })
  }
}
