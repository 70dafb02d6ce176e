import { readFile } from 'node:fs/promises'
import type { TlsCredentials } from '@dwcp/interface'
import type { Command } from 'commander'
import { cliError } from './errors.js'

/** As commander hands them over. */
export interface SecurityFlags {
  readonly tlsKey?: string
  readonly tlsCert?: string
  readonly tlsCa?: string
  readonly plaintext?: boolean | string
}

export type Security = { readonly tls: TlsCredentials } | { readonly plaintext: true | 'trusted-network' }

export function addSecurityFlags(command: Command): Command {
  return command
    .option('--tls-key <file>', 'private key (PEM); with --tls-cert and --tls-ca: mutual TLS 1.3')
    .option('--tls-cert <file>', 'certificate (PEM); its CN is the node id')
    .option('--tls-ca <file>', 'authorities whose certificates are accepted (PEM)')
    .option('--plaintext [scope]', 'no TLS: on loopback only, or with the scope trusted-network to everyone who can reach the port')
}

/**
 * Without any of the flags: plaintext, which then holds for loopback only.
 *
 * @throws `ERR_CLI_USAGE`
 */
export async function readSecurity(flags: SecurityFlags): Promise<Security> {
  const { tlsKey, tlsCert, tlsCa, plaintext } = flags
  if (tlsKey === undefined && tlsCert === undefined && tlsCa === undefined) {
    if (plaintext === undefined || plaintext === true || plaintext === 'loopback') return { plaintext: true }
    if (plaintext === 'trusted-network') return { plaintext }
    throw cliError('ERR_CLI_USAGE', `--plaintext ${plaintext}: write --plaintext, or --plaintext trusted-network`)
  }
  if (plaintext !== undefined) throw cliError('ERR_CLI_USAGE', '--plaintext and --tls-… exclude each other: give one')
  if (tlsKey === undefined || tlsCert === undefined || tlsCa === undefined) {
    throw cliError('ERR_CLI_USAGE', 'TLS needs all three: --tls-key, --tls-cert and --tls-ca')
  }
  const [key, cert, ca] = await Promise.all([pem('--tls-key', tlsKey), pem('--tls-cert', tlsCert), pem('--tls-ca', tlsCa)])
  return { tls: { key, cert, ca } }
}

async function pem(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw cliError('ERR_CLI_USAGE', `${name} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}
