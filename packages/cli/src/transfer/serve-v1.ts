import { join } from 'node:path'
import type { V1Server, V1Transfer } from '@dwcp/core/transfer'
import { formatAddress } from '../address.js'
import { cliError, errorRecord } from '../errors.js'
import type { Output } from '../output.js'
import { formatBytes } from '../units.js'
import type { ServeFlags } from './serve.js'

/** Where v1 senders are listened to unless another port is named. */
export const V1_PORT = 7411

/**
 * Takes files from v1 senders, each under a name of its own, since v1 has none.
 *
 * @throws `ERR_CLI_USAGE`, and what `listenV1` throws.
 */
export async function serveV1({ dir, host, readOnly, v1, v1From }: ServeFlags, output: Output): Promise<V1Server> {
  if (readOnly === true) throw cliError('ERR_CLI_USAGE', '--v1 and --read-only: v1 senders only store')
  const { listenV1 } = await import('@dwcp/core/transfer')
  // Who says whom to take from says that this network is trusted: v1 has no TLS.
  const plaintext = v1From === undefined ? true : 'trusted-network'
  const port = typeof v1 === 'number' ? v1 : V1_PORT
  const server = await listenV1({ plaintext, host, port, ...(v1From === undefined ? {} : { from: v1From }) })
  output.line(`v1 senders are taken on ${output.palette.cyan(formatAddress(server.address))}: no TLS, no checksum`)
  output.record({ event: 'listening-v1', address: server.address })
  void takeAll(server, dir, output)
  return server
}

async function takeAll(server: V1Server, dir: string, output: Output): Promise<void> {
  let taken = 0
  for await (const transfer of server) {
    taken += 1
    void take(transfer, join(dir, nameOf(transfer, taken)), output)
  }
}

/** Of what came at that time, from there. */
const nameOf = ({ from }: V1Transfer, number: number): string =>
  `v1-${new Date().toISOString().replaceAll(/[-:]/g, '')}-${process.pid}-${number}-${from.replaceAll(':', '.')}`

async function take(transfer: V1Transfer, path: string, output: Output): Promise<void> {
  const { from } = transfer
  output.record({ event: 'begins', peer: from, direction: 'in', path, protocol: 'v1' })
  try {
    const saved = await transfer.saveTo(path)
    output.line(`from ${from}, v1: ${formatBytes(saved.lengthBytes)} in ${path}, not verified: v1 has no checksum`)
    output.record({ event: 'done', peer: from, direction: 'in', path, ...saved })
  } catch (error) {
    const record = errorRecord(error)
    output.line(`from ${from}, v1: ${output.palette.red('broke off')}, ${record.code}: ${record.message}`)
    output.record({ event: 'broke-off', peer: from, direction: 'in', path, protocol: 'v1', error: record })
  }
}
