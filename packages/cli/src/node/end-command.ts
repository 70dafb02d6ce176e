import type { Command } from 'commander'
import { createOutput } from '../output.js'
import { addDirectoryFlag } from './directory-flag.js'
import { findWorkload } from './find-workload.js'

interface EndFlags {
  readonly dir: readonly string[]
  readonly reason: string
  readonly json?: boolean
}

export function addEndCommand(program: Command): void {
  addDirectoryFlag(program.command('end'))
    .summary('end a workload; its state is gone')
    .description(
      'Ends a workload on the node of this user that runs it. Its state is gone, and its name stays ended in that node’s journal.',
    )
    .argument('<workload>')
    .option('--reason <text>', 'written into the journal', 'ended by its operator')
    .option('--json', 'one JSON object')
    .action(async (workload: string, { dir, reason, json = false }: EndFlags) => {
      const output = createOutput({ json, screen: process.stdout, env: process.env })
      const { caller, directory } = await findWorkload(workload, dir, process.env)
      try {
        await caller.call('end', { workload, reason })
      } finally {
        caller.close()
      }
      output.line(`${workload} has ended`)
      output.record({ workload, ended: true, reason, directory })
    })
}
