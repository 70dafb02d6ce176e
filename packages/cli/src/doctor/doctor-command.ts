import { resolve } from 'node:path'
import type { Command } from 'commander'
import { EXIT } from '../errors.js'
import { createOutput, type Output } from '../output.js'
import { stateRoot } from '../state-directory.js'
import type { Check } from './check.js'

interface DoctorFlags {
  readonly dir?: string
  readonly json?: boolean
}

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('what this host can do, and what to do about the rest')
    .description(
      `Tries what DWCP can use on this host and says, for what is missing, why and what to do. Ends with ${EXIT.failed} only when something is missing that it needs.`,
    )
    .option('--dir <directory>', 'data directory to examine (default: where nodes keep their state)')
    .option('--json', 'one JSON object')
    .action(async ({ dir, json = false }: DoctorFlags) => {
      const output = createOutput({ json, screen: process.stdout, env: process.env })
      const { examineHost, isFit } = await import('./doctor.js')
      const checks = await examineHost(dir === undefined ? stateRoot(process.env) : resolve(dir))
      const fit = isFit(checks)
      print(checks, output)
      output.line(fit ? '\nEverything that is needed is here.' : '\nSomething that is needed is missing: see needed above.')
      output.record({ fit, checks })
      process.exitCode = fit ? EXIT.done : EXIT.failed
    })
}

function print(checks: readonly Check[], { line, palette }: Output): void {
  const { dim, green, red, yellow } = palette
  const width = Math.max(...checks.map(({ title }) => title.length))
  for (const { title, status, needed, detail, remedy } of checks) {
    const word = status === 'ok' ? green('ok     ') : status === 'warning' ? yellow('warning') : needed ? red('needed ') : yellow('missing')
    line(`${word}  ${title.padEnd(width)}  ${detail}`)
    if (remedy !== undefined) line(dim(`${' '.repeat(width + 11)}→ ${remedy}`))
  }
}
