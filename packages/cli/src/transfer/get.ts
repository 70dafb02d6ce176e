import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { Session } from '@dwcp/core/transfer'
import { formatAddress } from '../address.js'
import { cliError } from '../errors.js'
import { copy } from './copy.js'
import { parseLocation, type ServedLocation, type SshLocation } from './location.js'
import { type CopyFlags, flowOptions, readIdentity, type StoreFlags, sessionOptions } from './transfer-flags.js'

export interface GetFlags extends CopyFlags, StoreFlags {}

/** What is asked, whoever is asked. */
interface Source {
  connect(signal: AbortSignal): Promise<Session>
  readonly paths: readonly string[]
}

export async function getPaths(words: readonly string[], flags: GetFlags): Promise<void> {
  const [sources, directory] = [words.slice(0, -1), words.at(-1)]
  const locations = sources.map(parseLocation)
  const [first] = locations
  if (directory === undefined || !first)
    throw cliError('ERR_CLI_USAGE', 'say what to get, and where to put it: dwcp get <source...> <directory>')
  if (locations.some((location) => hostOf(location) !== hostOf(first))) throw cliError('ERR_CLI_USAGE', 'get from one host at a time')
  const paths = locations.map(({ path }) => path)
  if (first.kind === 'served') {
    const options = sessionOptions(await readIdentity(flags), flags, 'receive')
    const { connect } = await import('@dwcp/core/transfer')
    return getFrom({ connect: (signal) => connect(first.address, { ...options, signal }), paths }, sources, directory, flags)
  }
  const { createSshCaller } = await import('./ssh/call.js')
  const order = { direction: 'out', paths, links: 'inside', staging: '' } as const
  await using caller = createSshCaller({ ...flags, host: first.host, order, session: flowOptions(flags, 'receive') })
  await getFrom(caller, sources, directory, flags)
}

async function getFrom(source: Source, sources: readonly string[], directory: string, flags: GetFlags): Promise<void> {
  const { openTreeDirectory } = await import('@dwcp/core/transfer')
  const { checksum: comparesContents = false, links, resume: resumes } = flags
  await mkdir(directory, { recursive: true })
  // Of these sources alone: others may be on their way into the same directory.
  const staging = createHash('sha256').update(sources.join('\0')).digest('hex').slice(0, 16)
  await using trees = await openTreeDirectory(directory, { staging, allowsLinksOut: links === 'all' })
  await copy(
    {
      title: sources.join(' '),
      connect: (signal) => source.connect(signal),
      run: (session, attempt) => trees.get(session, source.paths, { comparesContents, resumes, ...attempt }),
    },
    flags,
  )
}

const hostOf = (location: ServedLocation | SshLocation): string =>
  location.kind === 'ssh' ? location.host : `dwcp://${formatAddress(location.address)}`
