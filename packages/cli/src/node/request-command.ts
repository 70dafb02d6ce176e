import type { Command } from 'commander'
import { formatAddress, parseAddress } from '../address.js'
import { cliError } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput } from '../output.js'
import { addSecurityFlags, readSecurity, type SecurityFlags } from '../security-flags.js'
import { reachNodes } from '../state-directory.js'
import { formatDuration, parseDuration } from '../units.js'
import { statusOf } from './status.js'

interface RequestFlags extends SecurityFlags {
  readonly nodes?: string
  readonly hex?: string
  readonly timeout: number
  readonly json?: boolean
}

const DEFAULT_TIMEOUT_MS = 30_000
const DECODER = new TextDecoder('utf-8', { fatal: true })

export function addRequestCommand(program: Command): void {
  addSecurityFlags(program.command('request'))
    .summary('ask a workload, wherever it runs')
    .description(
      'Sends one request to a workload and prints its answer: as text where it is text, else in hexadecimal. What bytes mean is up to the program.',
    )
    .argument('<workload>')
    .argument('[text]', 'the request, as UTF-8 (default: no bytes)')
    .option('--hex <bytes>', 'the request in hexadecimal instead, such as 00')
    .option('--nodes <list>', 'host:port of nodes that may run it, with commas between (default: every node of this user)')
    .option('--timeout <duration>', 'how long to wait', (text) => parseDuration(text, '--timeout'), DEFAULT_TIMEOUT_MS)
    .option('--json', 'one JSON object')
    .action(async (workload: string, text: string | undefined, flags: RequestFlags) => {
      using interruption = listenForInterruption()
      const { signal } = interruption
      const output = createOutput({ json: flags.json ?? false, screen: process.stdout, env: process.env })
      const payload = readPayload(text, flags.hex)
      const nodes = flags.nodes?.split(',') ?? (await ownAddresses())
      for (const node of nodes) parseAddress(node, '--nodes')
      const { connectClient } = await import('@dwcp/core')
      await using client = await connectClient({ nodes, ...(await readSecurity(flags)) })
      const answer = await client.request(workload, payload, { signal, timeoutMs: flags.timeout })
      const bytes = Buffer.from(answer.payload)
      output.line(asText(bytes) ?? bytes.toString('hex'))
      if (output.live) output.line(output.palette.dim(`${bytes.length} bytes from ${answer.node} in ${formatDuration(answer.ms)}`))
      output.record({
        workload,
        node: answer.node,
        ms: answer.ms,
        sends: answer.sends,
        hex: bytes.toString('hex'),
        text: asText(bytes) ?? null,
      })
    })
}

function readPayload(text: string | undefined, hex: string | undefined): Uint8Array {
  if (hex === undefined) return new TextEncoder().encode(text ?? '')
  if (text !== undefined) throw cliError('ERR_CLI_USAGE', 'give the request as text or as --hex, not both')
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(hex)) throw cliError('ERR_CLI_USAGE', `--hex ${hex}: write two hexadecimal digits for each byte`)
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

/** Text that a terminal can show as it is. */
function asText(bytes: Uint8Array): string | undefined {
  try {
    const text = DECODER.decode(bytes)
    return /^[\P{Cc}\n\t]*$/u.test(text) ? text : undefined
  } catch {
    return undefined
  }
}

async function ownAddresses(): Promise<readonly string[]> {
  const nodes = await reachNodes([], process.env)
  if (nodes.length === 0) throw cliError('ERR_CLI_NO_NODE', 'no node of this user runs: say with --nodes host:port where to ask')
  const addresses: string[] = []
  for (const node of nodes) {
    addresses.push(formatAddress((await statusOf(node)).address))
    node.caller.close()
  }
  return addresses
}
