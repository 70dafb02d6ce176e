import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import type { loadWorkload } from '@dwcp/core'
import { cliError } from './errors.js'

/** The programs that come with `@dwcp/core`. */
export type BundledProgram = Parameters<typeof loadWorkload>[0]

export const BUNDLED: readonly BundledProgram[] = ['hash-chain', 'kv', 'simulation']

/** A program by its bundled name or its file, and the name its workload has unless another is given. */
export async function loadProgram(source: string): Promise<{ readonly module: Uint8Array; readonly name: string }> {
  const bundled = BUNDLED.find((name) => name === source)
  if (bundled !== undefined) {
    const core = await import('@dwcp/core')
    return { module: await core.loadWorkload(bundled), name: bundled }
  }
  try {
    return { module: new Uint8Array(await readFile(source)), name: basename(source, extname(source)) }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw cliError(
      'ERR_CLI_USAGE',
      `${source}: give a WebAssembly file that can be read, or one of ${BUNDLED.join(', ')} (${reason})`,
      cause,
    )
  }
}
