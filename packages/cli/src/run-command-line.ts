import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDwcpError } from '@dwcp/interface'
import { CommanderError } from 'commander'
import { EXIT, errorRecord, exitCodeOf } from './errors.js'
import { packageFolder } from './package-folder.js'
import { createProgram } from './program.js'

/** Runs one command line, says what went wrong, and resolves to the exit status. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8'))
  try {
    await createProgram(version).parseAsync(words, { from: 'user' })
    return Number(process.exitCode ?? EXIT.done)
  } catch (error) {
    // Commander has said what there is to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    const record = errorRecord(error)
    if (words.includes('--json')) process.stdout.write(`${JSON.stringify({ error: record })}\n`)
    // The system's errors begin with their code.
    process.stderr.write(`dwcp: ${record.message.startsWith(`${record.code}: `) ? '' : `${record.code}: `}${record.message}\n`)
    const isExpected = isDwcpError(error) || (error instanceof Error && 'syscall' in error)
    if (!isExpected && error instanceof Error && error.stack !== undefined) process.stderr.write(`${error.stack}\n`)
    return exitCodeOf(error)
  }
}
