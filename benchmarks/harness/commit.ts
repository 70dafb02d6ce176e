import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BENCHMARKS } from './results.js'

/** What a measurement depends on: not documents and not the results that it makes itself. */
const MEASURED = ['packages', 'benchmarks', ':(exclude)benchmarks/results', ':(exclude)*.md']

/**
 * The commit that last changed what is measured, with a `+` where the working tree differs from it; undefined outside of a
 * repository.
 */
export async function sourceCommit(root: string = join(BENCHMARKS, '..')): Promise<string | undefined> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', [...args, '--', ...MEASURED], { cwd: root })).stdout.trim()
  try {
    const [commit, changes] = await Promise.all([git('log', '-1', '--format=%h'), git('status', '--porcelain')])
    return `${commit}${changes === '' ? '' : '+'}`
  } catch {
    return undefined
  }
}
