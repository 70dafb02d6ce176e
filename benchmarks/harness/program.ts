import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const OUTPUT_BYTES_MOST = 2 ** 24

export interface ProgramRun {
  readonly stdout: string
  /** User and system time of the process and of every child that it waited for. */
  readonly cpuSeconds: number
}

export interface ProgramOptions {
  readonly folder?: string
  /** Added to ours. */
  readonly env?: Readonly<Record<string, string>>
}

/** Runs one program to its end; throws, with what it printed, where it ends other than with 0. bash's `time` is the only way from Node to the CPU time of one child. */
export async function runProgram(program: string, args: readonly string[], { folder, env }: ProgramOptions = {}): Promise<ProgramRun> {
  const { stdout, stderr } = await promisify(execFile)(
    'bash',
    ['-c', 'TIMEFORMAT="%U %S"; time "$@" || exit', 'bash', program, ...args],
    // A decimal comma would not be read.
    { cwd: folder, env: { ...process.env, LC_ALL: 'C', ...env }, maxBuffer: OUTPUT_BYTES_MOST },
  )
  const [user = Number.NaN, system = Number.NaN] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  if (!Number.isFinite(user + system)) throw new Error(`${program}: no times but: ${stderr}`)
  return { stdout, cpuSeconds: user + system }
}
