import { vi } from 'vitest'
import { runCommandLine } from '../src/run-command-line.ts'

export interface Run {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process and takes down what it says. One at a time. */
export async function run(...words: readonly string[]): Promise<Run> {
  const said = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text)
      return true
    }),
  )
  const former = process.exitCode
  process.exitCode = undefined
  try {
    const status = await runCommandLine(words)
    return { status, ...said }
  } finally {
    process.exitCode = former
    for (const spy of spies) spy.mockRestore()
  }
}

/** The last line of `--json`, which is one object. */
export function lastObject({ stdout }: Pick<Run, 'stdout'>): Record<string, unknown> {
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}
