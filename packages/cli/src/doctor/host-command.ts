import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'

const TIMEOUT_MS = 5_000

/** What a command of the host wrote, or undefined where there is none or it failed. */
export function hostCommand(
  file: string,
  ...words: readonly string[]
): Promise<{ readonly stdout: string; readonly failed?: string } | undefined> {
  return new Promise((resolve) => {
    execFile(file, words, { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout })
      else resolve(error.code === 'ENOENT' ? undefined : { stdout, failed: stderr.trim() || error.message })
    })
  })
}

/** A file of /proc or /sys without its last newline, or undefined. */
export async function hostFile(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}
