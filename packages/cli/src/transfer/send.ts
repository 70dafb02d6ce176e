import { cliError } from '../errors.js'
import { copy } from './copy.js'
import { parseLocation } from './location.js'
import { type CopyFlags, readIdentity, sessionOptions } from './transfer-flags.js'

export type SendFlags = CopyFlags

export async function sendPaths(words: readonly string[], flags: SendFlags): Promise<void> {
  const [paths, last] = [words.slice(0, -1), words.at(-1)]
  if (last === undefined || paths.length === 0)
    throw cliError('ERR_CLI_USAGE', 'say what to send, and where to: dwcp send <path...> <destination>')
  const { address, path: directory } = parseLocation(last)
  const options = sessionOptions(await readIdentity(flags), flags)
  const { connect, sendTree } = await import('@dwcp/core/transfer')
  const { checksum: comparesContents = false, resume: resumes } = flags
  await copy(
    {
      title: paths.join(' '),
      connect: (signal) => connect(address, { ...options, signal }),
      run: (session, attempt) => sendTree(session, paths, { directory, comparesContents, resumes, ...attempt }),
    },
    flags,
  )
}
