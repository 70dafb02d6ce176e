import type { Command } from 'commander'
import { formatAddress } from '../address.js'
import { createOutput, type Output } from '../output.js'
import { reachNodes } from '../state-directory.js'
import { formatTable } from '../table.js'
import { formatByteRate, formatDuration } from '../units.js'
import { addDirectoryFlag } from './directory-flag.js'
import { type NodeStatus, statusOf } from './status.js'

interface PsFlags {
  readonly dir: readonly string[]
  readonly json?: boolean
}

export function addPsCommand(program: Command): void {
  addDirectoryFlag(program.command('ps'))
    .summary('the nodes of this user: workloads, links, flags')
    .description('Lists the running nodes of this user, what runs on them, their links as measured, and their flags.')
    .option('--json', 'one JSON object')
    .action(async ({ dir, json = false }: PsFlags) => {
      const output = createOutput({ json, screen: process.stdout, env: process.env })
      const nodes = await reachNodes(dir, process.env)
      const statuses: { readonly directory: string; readonly status: NodeStatus }[] = []
      try {
        for (const node of nodes) statuses.push({ directory: node.directory, status: await statusOf(node) })
      } finally {
        for (const { caller } of nodes) caller.close()
      }
      if (statuses.length === 0) output.line('no node of this user runs; start one with: dwcp run simulation')
      for (const { directory, status } of statuses) print(status, directory, output)
      output.record({ nodes: statuses.map(({ directory, status }) => ({ directory, ...status })) })
    })
}

function print({ id, pid, address, workloads, links, flags }: NodeStatus, directory: string, output: Output): void {
  const { bold, cyan, dim, yellow } = output.palette
  output.line(`${bold(id)}  ${cyan(formatAddress(address))}  ${dim(`process ${pid}, ${directory}`)}`)
  if (workloads.length === 0) output.line('  no workloads')
  else {
    const rows = workloads.map(({ id: name, state, epoch, owner, phase, reason }) => {
      const more = phase ?? reason ?? (state === 'moved' ? `to ${owner ?? 'another node'}` : '')
      return [name, state, String(epoch), more]
    })
    for (const line of formatTable([{ title: 'workload' }, { title: 'state' }, { title: 'epoch', align: 'right' }, { title: '' }], rows))
      output.line(`  ${line}`)
  }
  const known = links.filter(({ up, samples }) => up || samples > 0)
  if (known.length > 0) {
    const rows = known.map(({ peer, up, mode, forced, rttMs, bytesPerSecond, security, streams }) => [
      peer,
      up ? `${mode}${forced ? ' (forced)' : ''}` : 'down',
      rttMs === undefined ? '—' : formatDuration(rttMs),
      bytesPerSecond === undefined ? '—' : formatByteRate(bytesPerSecond),
      security ?? '—',
      String(streams ?? '—'),
    ])
    const columns = [
      { title: 'link to' },
      { title: 'class' },
      { title: 'rtt' },
      { title: 'rate' },
      { title: 'security' },
      { title: 'streams' },
    ]
    for (const line of formatTable(columns, rows)) output.line(`  ${line}`)
  }
  if (flags.error !== undefined) output.line(yellow(`  flags: ${flags.error}`))
  if (flags.flags.forceV1Mode) output.line(yellow('  flags: everything is forced to v1 behaviour'))
  output.line()
}
