import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { formatAddress } from '../address.js'
import { cliError } from '../errors.js'
import { copy } from './copy.js'
import { parseLocation } from './location.js'
import { type CopyFlags, readIdentity, type StoreFlags, sessionOptions } from './transfer-flags.js'

export interface GetFlags extends CopyFlags, StoreFlags {}

export async function getPaths(words: readonly string[], flags: GetFlags): Promise<void> {
  const directory = words.at(-1)
  const locations = words.slice(0, -1).map(parseLocation)
  const [first] = locations
  if (directory === undefined || !first)
    throw cliError('ERR_CLI_USAGE', 'say what to get, and where to put it: dwcp get <source...> <directory>')
  const host = formatAddress(first.address)
  if (locations.some(({ address }) => formatAddress(address) !== host)) throw cliError('ERR_CLI_USAGE', 'get from one host at a time')
  const paths = locations.map(({ path }) => path)
  const options = sessionOptions(await readIdentity(flags), flags)
  const { connect, openTreeDirectory } = await import('@dwcp/core/transfer')
  const { checksum: comparesContents = false, links, resume: resumes } = flags
  await mkdir(directory, { recursive: true })
  // Of these sources alone: others may be on their way into the same directory.
  const staging = createHash('sha256')
    .update(`${host}\0${paths.join('\0')}`)
    .digest('hex')
    .slice(0, 16)
  await using trees = await openTreeDirectory(directory, { staging, allowsLinksOut: links === 'all' })
  await copy(
    {
      title: words.slice(0, -1).join(' '),
      connect: (signal) => connect(first.address, { ...options, signal }),
      run: (session, attempt) => trees.get(session, paths, { comparesContents, resumes, ...attempt }),
    },
    flags,
  )
}
