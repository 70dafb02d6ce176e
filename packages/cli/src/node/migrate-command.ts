import { isDwcpError } from '@dwcp/interface'
import type { Command } from 'commander'
import { cliError } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { migrationLines, roundLines } from '../migration-text.js'
import { createOutput } from '../output.js'
import { createProgressDisplay } from '../progress-display.js'
import { parseDuration } from '../units.js'
import { callMigrate } from './call-migrate.js'
import { addDirectoryFlag } from './directory-flag.js'
import { findWorkload } from './find-workload.js'
import { statusOf } from './status.js'
import { inWords } from './workload-text.js'

interface MigrateFlags {
  readonly to: string
  readonly dir: readonly string[]
  readonly downtime: number
  readonly exceedDowntime?: boolean
  readonly json?: boolean
}

const DEFAULT_DOWNTIME_MS = 100

export function addMigrateCommand(program: Command): void {
  addDirectoryFlag(program.command('migrate'))
    .summary('move a running workload to another node')
    .description(
      'Moves a workload while it runs, from the node of this user that runs it to another one. Ctrl-C gives the migration up as long as ownership has not been offered to the target; the workload then runs on where it is.',
    )
    .argument('<workload>')
    .requiredOption('--to <host:port>', 'where the target listens, or the id of a peer that the node knows')
    .option(
      '--downtime <duration>',
      'how long the workload may stand still',
      (text) => parseDuration(text, '--downtime'),
      DEFAULT_DOWNTIME_MS,
    )
    .option('--exceed-downtime', 'stop and move even where the rest does not fit the downtime')
    .option('--json', 'one JSON object a line; the last one is the report')
    .action(async (workload: string, flags: MigrateFlags) => {
      using interruption = listenForInterruption()
      const output = createOutput({ json: flags.json ?? false, screen: process.stdout, env: process.env })
      const { caller } = await findWorkload(workload, flags.dir, process.env)
      using display = await createProgressDisplay(output)
      try {
        display.begin(`${workload} → ${flags.to}`)
        const report = await callMigrate(caller, {
          args: { workload, to: flags.to, downtimeMs: flags.downtime, exceedDowntime: flags.exceedDowntime ?? false },
          signal: interruption.signal,
          onProgress(progress) {
            display.migration(progress)
            output.record({ event: 'progress', workload, ...progress })
          },
        })
        display.end()
        output.line(
          `${output.palette.green('✓')} ${workload} runs on ${output.palette.bold(report.to)} (epoch ${report.epoch}, digest verified: ${report.digest})`,
        )
        for (const line of [...roundLines(report), ...migrationLines(report)]) output.line(`  ${line}`)
        output.record({ event: 'migrated', ...report })
      } catch (error) {
        if (!isDwcpError(error, 'ERR_CLI_INTERRUPTED')) throw error
        const { workloads } = await statusOf({ caller })
        const now = workloads.find(({ id }) => id === workload)
        const where = now === undefined || now.state === 'running' ? `${workload} runs on where it was` : inWords(now)
        throw cliError('ERR_CLI_INTERRUPTED', `the migration was given up; ${where}`, error)
      } finally {
        caller.close()
      }
    })
}
