import { access, open, rename, rm } from 'node:fs/promises'
import { cliError } from '../errors.js'
import { STANDARD_STREAM, writeToStandardOutput } from './streams.js'

/**
 * A file that appears, under its name, only when all of it is written; whatever fails leaves nothing behind. The standard output takes
 * each part as it comes.
 */
export async function writeWhole(
  path: string,
  parts: AsyncIterable<Uint8Array>,
  { force = false }: { readonly force?: boolean },
): Promise<void> {
  if (path === STANDARD_STREAM) return writeToStandardOutput(parts)
  if (!force && (await exists(path))) throw cliError('ERR_CLI_USAGE', `${path} exists; --force replaces it`)
  const unfinished = `${path}.${process.pid}.part`
  const file = await open(unfinished, 'wx')
  try {
    for await (const part of parts) {
      for (let done = 0; done < part.length; ) done += (await file.write(part, done)).bytesWritten
    }
    await file.sync()
    await file.close()
    await rename(unfinished, path)
  } catch (error) {
    await file.close()
    await rm(unfinished, { force: true })
    throw error
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
