import { stat } from 'node:fs/promises'
import { cliError } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput } from '../output.js'
import { createProgressDisplay } from '../progress-display.js'
import { formatByteRate, formatBytes, formatDuration } from '../units.js'
import { parseLocation } from './location.js'
import type { SendFlags } from './send.js'

/** What asks for something that v1 does not have. */
const NOT_IN_V1 = {
  identity: '--identity',
  tlsKey: '--tls-key',
  tlsCert: '--tls-cert',
  tlsCa: '--tls-ca',
  expect: '--expect',
  checksum: '--checksum',
  rate: '--rate',
} as const satisfies Partial<Record<keyof SendFlags, string>>

/**
 * Sends one file to a v1 node, which has no names, no TLS, no checksums and no resumption.
 *
 * @throws `ERR_CLI_USAGE`, and what `sendV1` throws.
 */
export async function sendFileV1(words: readonly string[], flags: SendFlags): Promise<void> {
  const [file, place, ...more] = words
  if (file === undefined || place === undefined || more.length > 0)
    throw cliError('ERR_CLI_USAGE', '--v1 sends one file: dwcp send --v1 FILE dwcp://host:port')
  for (const [name, flag] of Object.entries(NOT_IN_V1))
    if (Object.entries(flags).some(([given, value]) => given === name && value !== undefined))
      throw cliError('ERR_CLI_USAGE', `--v1 and ${flag}: v1 has nothing of the kind`)
  const location = parseLocation(place)
  if (location.kind !== 'served' || location.path !== '')
    throw cliError('ERR_CLI_USAGE', `${place}: write dwcp://host:port after --v1, which carries no paths`)
  if (!(await stat(file)).isFile()) throw cliError('ERR_CLI_USAGE', `${file}: --v1 sends one file, and no directories`)
  const { address } = location
  const { fileSource, sendV1 } = await import('@dwcp/core/transfer')
  using interruption = listenForInterruption()
  const output = createOutput({ json: flags.json ?? false, screen: process.stdout, env: process.env })
  using display = await createProgressDisplay(output)
  const source = await fileSource(file)
  const startedMs = performance.now()
  display.begin(file)
  const isTrusted = flags.plain === true || flags.plaintext === 'trusted-network'
  const sent = await sendV1(address, source, {
    plaintext: isTrusted ? 'trusted-network' : true,
    signal: interruption.signal,
    ...(flags.streams === 'auto' ? {} : { connections: flags.streams }),
    onProgress: ({ doneBytes, lengthBytes }) => display.amount(doneBytes, lengthBytes, doneBytes),
  })
  display.end()
  const totalMs = performance.now() - startedMs
  const { lengthBytes, wasClosedByPeer } = sent
  const end = wasClosedByPeer ? 'the peer closed in order' : 'whether it has all, v1 does not say'
  output.line(`${formatBytes(lengthBytes)} in ${formatDuration(totalMs)}, ${formatByteRate((lengthBytes * 1000) / totalMs)}: ${end}`)
  output.record({ ...sent, totalMs })
}
