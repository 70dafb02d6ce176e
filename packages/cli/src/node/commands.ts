import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { NetworkMode } from '@dwcp/interface'
import { type Command, Option } from 'commander'
import { parseAddress } from '../address.js'
import { cliError } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput } from '../output.js'
import { openInvitation } from '../security/open-invitation.js'
import { addSecurityFlags, certifiedName, readSecurity, type SecurityFlags } from '../security-flags.js'
import { checkNodeId, stateDirectory } from '../state-directory.js'
import { runForeground } from './foreground.js'

const MODES: readonly (NetworkMode | 'auto')[] = ['auto', 'datacenter', 'internet', 'hybrid']
const NODE_PORT = 7400
const MAX_SEED = Number.MAX_SAFE_INTEGER

interface NodeFlags extends SecurityFlags {
  readonly nodeId?: string
  readonly listen?: string
  readonly dir?: string
  readonly peer: Readonly<Record<string, string>>
  readonly flags?: string
  readonly mode: string
  readonly json?: boolean
  readonly attached?: boolean
  readonly invite?: boolean
}

interface RunFlags extends NodeFlags {
  readonly id?: string
  readonly seed?: number
}

export function addNodeCommands(program: Command): void {
  nodeFlags(program.command('run'))
    .summary('run a WebAssembly program, as a node in the foreground')
    .description(
      'Runs a WebAssembly program as a node in the foreground: a file that keeps docs/wasm-abi.md, or one of hash-chain, kv, simulation.',
    )
    .argument('<file.wasm>', 'the program')
    .option('--id <name>', 'the workload’s name on every node (default: the program’s)')
    .option('--seed <number>', 'of the program’s random numbers (default: random)', parseSeed)
    .action(async (source: string, flags: RunFlags) => {
      const { id, seed } = flags
      await start(flags, 0, { source, ...(id === undefined ? {} : { id }), ...(seed === undefined ? {} : { seed }) })
    })
  nodeFlags(program.command('node'))
    .summary('a node in the foreground that waits for workloads')
    .description(
      `Runs a node in the foreground and waits for workloads to arrive. Listens on 127.0.0.1:${NODE_PORT}, or any free port where that is taken.`,
    )
    .action((flags: NodeFlags) => start(flags, NODE_PORT))
}

function nodeFlags(command: Command): Command {
  return addSecurityFlags(command)
    .option('--node-id <name>', 'this node’s lasting name (default: host name and process id)')
    .option('--listen <host:port>', 'where peers and clients reach it (port 0: any)')
    .option('--dir <directory>', 'its state and control socket (default: ${XDG_STATE_HOME:-~/.local/state}/dwcp/<node id>)')
    .option('--peer <id=host:port>', 'a peer; may be repeated', addPeer, {})
    .option('--flags <file>', 'feature flags (JSON), read again when they change')
    .addOption(new Option('--mode <class>', 'the class of every link').choices(MODES).default('auto', 'measured'))
    .option('--invite', 'lets nodes join the cluster here by a token, and prints one; --identity has the authority')
    .option('--json', 'one JSON object a line')
    .addOption(new Option('--attached', 'end when standard input ends').hideHelp())
}

async function start(flags: NodeFlags, preferredPort: number, program?: { source: string; id?: string; seed?: number }): Promise<void> {
  using interruption = listenForInterruption()
  const security = await readSecurity(flags)
  const id = checkNodeId(
    flags.nodeId ??
      (flags.identity === undefined ? undefined : certifiedName(security)) ??
      `${
        hostname()
          .replace(/[^A-Za-z0-9-]/g, '-')
          .slice(0, 40) || 'node'
      }-${process.pid}`,
  )
  const detached = new AbortController()
  if (flags.attached) process.stdin.once('end', () => detached.abort()).resume()
  const output = createOutput({ json: flags.json ?? false, screen: process.stdout, env: process.env })
  await runForeground({
    id,
    directory: flags.dir === undefined ? stateDirectory(id, process.env) : resolve(flags.dir),
    preferredPort,
    peers: flags.peer,
    mode: MODES.find((mode) => mode === flags.mode) ?? 'auto',
    security,
    output,
    ...(flags.identity === undefined ? {} : { membership: resolve(flags.identity) }),
    ...(flags.invite === true ? { invitation: await openInvitation(flags.identity, output) } : {}),
    signal: AbortSignal.any([interruption.signal, detached.signal]),
    ...(flags.listen === undefined ? {} : { listen: parseAddress(flags.listen, '--listen') }),
    ...(flags.flags === undefined ? {} : { flags: flags.flags }),
    ...(program === undefined ? {} : { program }),
  })
}

function addPeer(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at < 1) throw cliError('ERR_CLI_USAGE', `--peer ${text}: write id=host:port`)
  parseAddress(text.slice(at + 1), '--peer')
  return { ...before, [checkNodeId(text.slice(0, at))]: text.slice(at + 1) }
}

function parseSeed(text: string): number {
  const seed = Number(text)
  if (!/^\d+$/.test(text) || seed > MAX_SEED) throw cliError('ERR_CLI_USAGE', `--seed ${text}: write a whole number up to ${MAX_SEED}`)
  return seed
}
