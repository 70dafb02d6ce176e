import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Logger } from '@dwcp/interface'
import { FLAG_DEFAULTS, type Flags, parseFlags } from './flags.js'

/** Short of the 5 s in which a roll-back must take effect, and cheap: one stat. */
const POLL_MS = 500

/** The flags in force, and where they come from. */
export interface FlagsStatus {
  readonly flags: Flags
  /** The file they come from; undefined where there is none. */
  readonly path: string | undefined
  /** Why the file as it is now is not used; the last good flags hold on. */
  readonly error: string | undefined
}

export interface FlagsFile extends Disposable {
  readonly status: FlagsStatus
}

/**
 * Reads the file now and each time it changes. A file that turns invalid changes nothing but the status.
 * @throws `ERR_CORE_FLAGS` or the system's error when the file is not usable at the start.
 */
export async function watchFlags(path: string | undefined, onChange: (status: FlagsStatus) => void, logger: Logger): Promise<FlagsFile> {
  if (path === undefined) return { status: { flags: FLAG_DEFAULTS, path, error: undefined }, [Symbol.dispose]: () => undefined }
  let status: FlagsStatus = { flags: parseFlags(await readFile(path, 'utf8'), path), path, error: undefined }
  const reload = async (): Promise<void> => {
    try {
      status = { flags: parseFlags(await readFile(path, 'utf8'), path), path, error: undefined }
      logger.info({ path, flags: status.flags }, 'flags changed')
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      status = { ...status, error: message }
      logger.error({ path, error }, 'the flags file cannot be used; the flags before it hold on')
    }
    onChange(status)
  }
  const listener = (): void => void reload()
  watchFile(path, { interval: POLL_MS, persistent: false }, listener)
  return {
    get status() {
      return status
    },
    [Symbol.dispose]: () => unwatchFile(path, listener),
  }
}
