import { hostname } from 'node:os'
import type { ConnectOptions } from '@dwcp/core/transfer'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { cliError } from '../errors.js'
import { addSecurityFlags, certifiedName, readSecurity, type Security, type SecurityFlags } from '../security-flags.js'
import { parseBitRate, parseByteRate, parseDuration } from '../units.js'
import type { SshFlags } from './ssh/call.js'

/** As commander hands them over. */
export interface TransferFlags extends SecurityFlags {
  readonly plain?: boolean
  /** In bytes per second. */
  readonly rate?: number
  readonly json?: boolean
}

/** Of `send` and `get`. */
export interface CopyFlags extends TransferFlags, SshFlags {
  readonly checksum?: boolean
  readonly resume: boolean
  readonly streams: number | 'auto'
  readonly retryFor: number
  readonly expect?: string
}

/** Of what takes files. */
export interface StoreFlags {
  readonly links: 'inside' | 'all'
}

const STREAMS_MAX = 64

export function addTransferFlags(command: Command): Command {
  return addSecurityFlags(command)
    .option('--plain', 'no TLS, where the other end says so too: short for --plaintext trusted-network')
    .option('--rate <rate>', 'no more than this, such as 200m (bits) or 20MiB/s', parseRate)
    .option('--json', 'one JSON object a line')
}

export function addCopyFlags(command: Command): Command {
  return addTransferFlags(
    command
      .option('--checksum', 'compare what is in files, instead of their sizes and times')
      .option('--no-resume', 'send large files that broke off from their beginning')
      .option('--streams <number>', `TCP connections, 1 to ${STREAMS_MAX}, or auto`, parseStreams, 'auto')
      .option('--retry-for <duration>', 'how long to try again when the connection is lost', parseRetry, parseRetry('1min'))
      .option('--expect <name>', 'refuse a server whose certificate has another name')
      .option('--ssh <command>', 'what reaches user@host:path', 'ssh')
      .option('--remote-dwcp <command>', 'dwcp there, for a path over ssh', 'dwcp')
      .option('--data-port <number>', 'where it listens there for the files; 0: any that is free', parsePort, 0),
  )
}

export function addStoreFlags(command: Command, what = 'symbolic links to take'): Command {
  return command.addOption(
    new Option('--links <which>', `${what}: those that stay inside the directory, or all`).choices(['inside', 'all']).default('inside'),
  )
}

/**
 * What protects a session, and this end's name in it.
 *
 * @throws `ERR_CLI_USAGE`
 */
export async function readIdentity(flags: TransferFlags): Promise<Security & { readonly nodeId: string }> {
  if (flags.plain === true && flags.plaintext !== undefined) throw cliError('ERR_CLI_USAGE', '--plain and --plaintext: give one')
  const security = await readSecurity(flags.plain === true ? { ...flags, plaintext: 'trusted-network' } : flags)
  return { ...security, nodeId: certifiedName(security) ?? `transfer-${hostname()}` }
}

/** Of `connect`, but for the signal. */
export function sessionOptions(
  identity: Security & { readonly nodeId: string },
  { expect, ...flags }: CopyFlags,
  direction: 'send' | 'receive',
): Omit<ConnectOptions, 'signal'> {
  return { ...identity, ...flowOptions(flags, direction), ...(expect === undefined ? {} : { expect }) }
}

export type FlowOptions = Pick<ConnectOptions, 'streams' | 'rateBytesPerSecond' | 'receiveBytesPerSecond'>

/** How many streams, and how fast the files may go, or come. */
export function flowOptions({ streams, rate }: Pick<CopyFlags, 'streams' | 'rate'>, direction: 'send' | 'receive'): FlowOptions {
  const limit = rate === undefined ? {} : direction === 'send' ? { rateBytesPerSecond: rate } : { receiveBytesPerSecond: rate }
  return { ...limit, ...(streams === 'auto' ? {} : { streams }) }
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('Write a number up to 65535.')
  return port
}

function parseStreams(text: string): number | 'auto' {
  const streams = Number(text)
  if (text === 'auto') return text
  if (!/^\d+$/.test(text) || streams < 1 || streams > STREAMS_MAX)
    throw cliError('ERR_CLI_USAGE', `--streams ${text}: write auto, or a number from 1 to ${STREAMS_MAX}`)
  return streams
}

/** In bits as links are sold, or in bytes. @returns bytes per second. */
function parseRate(text: string): number {
  const rate = /B(\/s)?$/.test(text) ? parseByteRate(text, '--rate') : parseBitRate(text, '--rate') / 8
  if (rate < 1) throw cliError('ERR_CLI_USAGE', `--rate ${text}: write 1B/s or more`)
  return rate
}

const parseRetry = (text: string): number => (text === '0' ? 0 : parseDuration(text, '--retry-for'))
