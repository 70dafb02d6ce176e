import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CredentialSource, PeerTrust, TlsCredentials } from '@dwcp/interface'
import type { Command } from 'commander'
import { cliError } from './errors.js'

/** As commander hands them over. */
export interface SecurityFlags {
  readonly identity?: string
  readonly tlsKey?: string
  readonly tlsCert?: string
  readonly tlsCa?: string
  readonly plaintext?: boolean | string
}

export type Security =
  | { readonly tls: TlsCredentials }
  | { readonly tls: CredentialSource & { readonly nodeId: string }; readonly trust: PeerTrust }
  | { readonly plaintext: true | 'trusted-network' }

export function addSecurityFlags(command: Command): Command {
  return command
    .option('--identity <directory>', 'mutual TLS 1.3 with the key and certificate there, to those whom its trust store lets in')
    .option('--tls-key <file>', 'private key (PEM); with --tls-cert and --tls-ca: mutual TLS 1.3')
    .option('--tls-cert <file>', 'certificate (PEM); its CN is the node id')
    .option('--tls-ca <file>', 'authorities whose certificates are accepted (PEM)')
    .option('--plaintext [scope]', 'no TLS: on loopback only, or with the scope trusted-network to everyone who can reach the port')
}

/**
 * Without any of the flags: plaintext, which then holds for loopback only.
 *
 * @throws `ERR_CLI_USAGE`, and what opening an identity and its trust store throws.
 */
export async function readSecurity(flags: SecurityFlags): Promise<Security> {
  const { identity, tlsKey, tlsCert, tlsCa, plaintext } = flags
  if (identity !== undefined) {
    if (plaintext !== undefined || tlsKey !== undefined || tlsCert !== undefined || tlsCa !== undefined)
      throw cliError('ERR_CLI_USAGE', '--identity excludes --plaintext and --tls-…: give one')
    return readIdentity(resolve(identity))
  }
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

/** Both stay open as long as this process: what changes there counts at once. */
async function readIdentity(directory: string): Promise<Security> {
  const { hasIdentity, openIdentity, openTrustStore } = await import('@dwcp/core')
  if (!hasIdentity(directory)) throw cliError('ERR_CLI_USAGE', `--identity ${directory}: there is none: "dwcp identity request" makes one`)
  const tls = await openIdentity(directory)
  tls.credentials()
  return { tls, trust: await openTrustStore(directory) }
}

/** The name that the certificate of this end has; undefined where there is none. @throws `ERR_CLI_USAGE` */
export function certifiedName(security: Security): string | undefined {
  if (!('tls' in security)) return undefined
  return 'nodeId' in security.tls ? security.tls.nodeId : commonName(security.tls.cert)
}

function commonName(cert: string): string {
  try {
    const name = /^CN=(.+)$/m.exec(new X509Certificate(cert).subject)?.[1]
    if (name !== undefined) return name
  } catch (cause) {
    throw cliError('ERR_CLI_USAGE', '--tls-cert: this is no certificate in PEM', cause)
  }
  throw cliError('ERR_CLI_USAGE', '--tls-cert: the certificate has no common name (CN)')
}

async function pem(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw cliError('ERR_CLI_USAGE', `${name} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}
