import { copyFile } from 'node:fs/promises'
import { runProgram } from '../../harness/program.js'
import type { Contender } from '../../harness/suite.js'
import { measurement } from './metrics.js'
import type { WorkingFiles } from './working-files.js'

/** A remote shell that stays here: rsync then speaks its whole protocol, compressed, through two pipes, and counts the bytes. */
const REMOTE_SHELL = `sh -c 'shift; exec "$@"' sh`

/**
 * rsync -z of `after` over a copy of `before`. Bytes are those of both directions; the time is that of both ends and cannot be
 * told apart, so that there is no decode.
 */
export function rsyncContender(files: WorkingFiles): Contender {
  const run: Contender['run'] = async () => {
    await copyFile(files.before ?? '/dev/null', files.unpacked)
    const args = ['-z', '--ignore-times', '--no-whole-file', '--stats', '-e', REMOTE_SHELL, files.after, `here:${files.unpacked}`]
    const { stdout, cpuSeconds } = await runProgram('rsync', args)
    await files.verify()
    return measurement(counted(stdout, 'sent') + counted(stdout, 'received'), files.afterBytes, cpuSeconds)
  }
  return { name: 'rsync -z', ours: false, run }
}

function counted(statistics: string, direction: 'sent' | 'received'): number {
  const digits = new RegExp(`^Total bytes ${direction}: ([\\d,]+)`, 'm').exec(statistics)?.[1]
  if (digits === undefined) throw new Error(`rsync counted no bytes ${direction}: ${statistics}`)
  return Number(digits.replaceAll(',', ''))
}
