import { mkdir, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { createEphemeralCredentials, listen, openTreeDirectory, type TreeDirectory } from '@dwcp/core/transfer'
import { readJsonLines } from '../../control/json-lines.js'
import { cliError, EXIT, errorRecord } from '../../errors.js'
import { listenForInterruption } from '../../interruption.js'
import { AGENT, CALLER, decodeOrder, encodeRefusal, encodeWelcome, LINE_BYTES_MAX, type Order } from './messages.js'

/** Takes or gives files for whoever started this over ssh, until the standard input ends. */
export async function runAgent(): Promise<void> {
  using interruption = listenForInterruption()
  try {
    for await (const line of readJsonLines(process.stdin, LINE_BYTES_MAX)) return await serveCaller(decodeOrder(line), interruption.signal)
    throw cliError('ERR_CLI_SSH', 'the standard input ended before it said what to do')
  } catch (error) {
    process.stdout.write(encodeRefusal(errorRecord(error)))
    process.exitCode = EXIT.failed
  }
}

async function serveCaller(order: Order, signal: AbortSignal): Promise<void> {
  const { key, cert } = await createEphemeralCredentials(AGENT)
  await using trees = await openTrees(order)
  // Only who has the key of that certificate comes in, and nobody else was told of this one.
  await using server = await listen({
    nodeId: AGENT,
    tls: { key, cert, ca: order.cert },
    accept: (peer) => peer.nodeId === CALLER,
    host: addressOf(process.env),
    port: order.port,
  })
  const end = (): void => void server.close()
  process.stdin.once('end', end).once('close', end).resume()
  signal.addEventListener('abort', end, { once: true })
  const paths = order.direction === 'in' ? [] : await Promise.all(order.paths.map(fromRoot))
  process.stdout.write(encodeWelcome({ cert, port: server.address.port, paths }))
  for await (const session of server) void trees.serve(session)
}

async function openTrees({ direction, paths, links, staging }: Order): Promise<TreeDirectory> {
  if (direction === 'out') return openTreeDirectory('/', { isReadOnly: true })
  const [directory] = paths
  if (directory === undefined) throw cliError('ERR_CLI_SSH', 'the other end does not say where the files go')
  const whole = resolve(directory)
  await mkdir(whole, { recursive: true })
  return openTreeDirectory(whole, { staging, allowsLinksOut: links === 'all' })
}

/** A path without links in its directories, from the root on; of a directory with a slash at its end, what is in it. */
async function fromRoot(path: string): Promise<string> {
  if (path === '' || path.endsWith('/') || /(^|\/)\.{1,2}$/.test(path)) return `${(await realpath(path === '' ? '.' : path)).slice(1)}/`
  const whole = resolve(path)
  return join(await realpath(dirname(whole)), basename(whole)).slice(1)
}

/** Where the caller reached this machine, so that nobody else reaches it elsewhere. */
const addressOf = (env: NodeJS.ProcessEnv): string => env['SSH_CONNECTION']?.split(' ')[2] ?? '0.0.0.0'
