import { type Command, Option } from 'commander'
import { cliError } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput, type Output } from '../output.js'
import { BUNDLED } from '../program-source.js'
import { createProgressDisplay, type ProgressDisplay } from '../progress-display.js'
import { formatCount, parseBitRate, parseByteRate, parseBytes, parseDuration, parseRatio } from '../units.js'
import type { DemoLink, DemoOptions, DemoReport, DemoStep } from './demo-options.js'
import { directionLines, summaryLines } from './demo-report.js'

interface DemoFlags {
  readonly workload: string
  readonly bytes?: number
  readonly dirtyRate?: number
  readonly link: string
  readonly rtt?: number
  readonly rate?: number
  readonly loss?: number
  readonly downtime?: number
  readonly keep?: boolean
  readonly json?: boolean
}

/** A quiet local network, and a path across a continent. */
const LINKS: Readonly<Record<'lan' | 'wan', Exclude<DemoLink, { kind: 'loopback' }>>> = {
  lan: { kind: 'lan', rttMs: 1, rateBitsPerSecond: 1e9, lossRatio: 0 },
  wan: { kind: 'wan', rttMs: 60, rateBitsPerSecond: 500e6, lossRatio: 0.0001 },
}
/** The hand-over alone takes several round trips: less than this is not to be had on such a path. */
const WAN_DOWNTIME_MS = 500

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .summary('two nodes, a client that never stops asking, a live migration there and back')
    .description(
      'Starts two nodes in processes of their own and a client that never stops asking, moves running workloads from one node to the other and back, and shows what it took and that everything is right. Every number is measured in this run.',
    )
    .addOption(
      new Option('--workload <name>', 'what moves').choices(['all', ...BUNDLED]).default('all', 'all three: simulation, hash-chain and kv'),
    )
    .option('--bytes <amount>', 'memory of the simulation, or what the kv store holds (default: 64MiB; kv: 8MiB)', (text) =>
      parseBytes(text, '--bytes'),
    )
    .option('--dirty-rate <rate>', 'of it the simulation rewrites (default: 20MiB/s)', (text) => parseByteRate(text, '--dirty-rate'))
    .option(
      '--downtime <duration>',
      `what a workload shall stand still for at most (default: 100ms; --link wan: ${WAN_DOWNTIME_MS}ms)`,
      (text) => parseDuration(text, '--downtime'),
    )
    .addOption(
      new Option('--link <kind>', 'loopback, or a path emulated in network namespaces (needs root and the repository)')
        .choices(['loopback', 'lan', 'wan'])
        .default('loopback'),
    )
    .option('--rtt <duration>', 'round trip of the emulated path (lan: 1ms, wan: 60ms)', (text) => parseDuration(text, '--rtt'))
    .option('--rate <bits>', 'its rate (lan: 1gbit, wan: 500mbit)', (text) => parseBitRate(text, '--rate'))
    .option('--loss <share>', 'packets it loses (lan: 0, wan: 0.01%)', (text) => parseRatio(text, '--loss'))
    .option('--keep', 'leave the nodes running, and say how to talk to them')
    .option('--json', 'one JSON object a line; the last one is the report')
    .action(async (flags: DemoFlags) => {
      using interruption = listenForInterruption()
      const output = createOutput({ json: flags.json ?? false, screen: process.stdout, env: process.env })
      const options = readOptions(flags)
      const { runDemo } = await import('./demo.js')
      using display = await createProgressDisplay(output)
      const report = await runDemo({ ...options, signal: interruption.signal, onStep: showSteps(output, display) })
      for (const line of summaryLines(report, output.palette)) output.line(line)
      if (report.cleanUp !== undefined) tellHowToTalk(report, output)
      output.record(report)
      if (!report.verified) throw cliError('ERR_CLI_NOT_VERIFIED', 'the state or an answer is not right; the report says which')
    })
  program.command('demo-client', { hidden: true }).action(async () => {
    const { runClientProcess } = await import('./client-process.js')
    await runClientProcess({ input: process.stdin, output: process.stdout })
  })
}

function readOptions(flags: DemoFlags): DemoOptions {
  const { workload, bytes, dirtyRate, keep } = flags
  const link = readLink(flags)
  const downtimeMs = flags.downtime ?? (link.kind === 'wan' ? WAN_DOWNTIME_MS : undefined)
  if (workload === 'hash-chain' && bytes !== undefined)
    throw cliError('ERR_CLI_USAGE', '--bytes: the hash chain has the memory that it has; use it with simulation, kv or all')
  if ((workload === 'hash-chain' || workload === 'kv') && dirtyRate !== undefined) {
    throw cliError('ERR_CLI_USAGE', `--dirty-rate: ${workload} changes as its requests and its work make it; use it with simulation or all`)
  }
  return {
    workload: BUNDLED.find((name) => name === workload) ?? 'all',
    link,
    keep: keep ?? false,
    ...(bytes === undefined ? {} : { bytes }),
    ...(dirtyRate === undefined ? {} : { dirtyBytesPerSecond: dirtyRate }),
    ...(downtimeMs === undefined ? {} : { downtimeMs }),
  }
}

function readLink({ link, rtt, rate, loss }: DemoFlags): DemoLink {
  if (link === 'lan' || link === 'wan') {
    const preset = LINKS[link]
    return {
      ...preset,
      rttMs: rtt ?? preset.rttMs,
      rateBitsPerSecond: rate ?? preset.rateBitsPerSecond,
      lossRatio: loss ?? preset.lossRatio,
    }
  }
  if (rtt !== undefined || rate !== undefined || loss !== undefined)
    throw cliError('ERR_CLI_USAGE', '--rtt, --rate and --loss shape an emulated path: add --link lan or --link wan')
  return { kind: 'loopback' }
}

/** Lines for a person as things happen, and the moving line between them. */
function showSteps(output: Output, display: ProgressDisplay): (step: DemoStep) => void {
  const { bold, cyan, dim } = output.palette
  let title = ''
  const under = (next: string): void => {
    if (title === next) return
    display.end()
    title = next
    display.begin(next)
  }
  return (step) => {
    output.record({ event: step.kind, ...step })
    if (step.kind === 'place') {
      output.line(`${bold('dwcp demo')} over ${step.place}`)
      for (const { id, address, pid } of step.nodes) output.line(`  ${id}  ${cyan(address)}  ${dim(`process ${pid}`)}`)
    } else if (step.kind === 'filling') {
      under(`filling ${step.workload}`)
      display.amount(step.done, step.of)
    } else if (step.kind === 'ready') {
      display.end()
      title = ''
      const width = Math.max(...step.workloads.map(({ id }) => id.length))
      for (const { id, about } of step.workloads) output.line(`  ${id.padEnd(width)}  ${about}`)
      output.line()
    } else if (step.kind === 'begins') {
      under(`${step.workload} → ${step.to}`)
    } else if (step.kind === 'progress') {
      display.migration(step.progress)
    } else if (step.kind === 'verifying') {
      under(`checking ${step.workload}`)
      display.amount(step.done, step.of)
    } else if (step.kind === 'answered') {
      display.note(`${formatCount(step.answered)} answers`)
    } else {
      display.end()
      title = ''
      for (const line of directionLines(step.from, step.to, step.migrations, output.palette)) output.line(line)
      output.line()
    }
  }
}

function tellHowToTalk({ nodes, workloads, cleanUp = [] }: DemoReport, output: Output): void {
  const [a, b] = nodes
  if (a === undefined || b === undefined) return
  const directories = `--dir ${a.directory} --dir ${b.directory}`
  output.line()
  output.line('The nodes run on. Talk to them:')
  output.line(`  dwcp ps ${directories}`)
  output.line(`  dwcp migrate ${workloads[0]?.id ?? ''} --to ${b.address} --dir ${a.directory}`)
  output.line(`  dwcp request ${workloads[0]?.id ?? ''} --hex 00 --nodes ${a.address},${b.address}`)
  output.line('and end them:')
  for (const line of cleanUp) output.line(`  ${line}`)
}
