import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { cliError } from '../errors.js'
import { copy } from './copy.js'
import { parseLocation, type ServedLocation, type SshLocation } from './location.js'
import { type CopyFlags, flowOptions, readIdentity, sessionOptions } from './transfer-flags.js'

export interface SendFlags extends CopyFlags {
  readonly links: 'inside' | 'all'
  readonly v1?: boolean
}

export async function sendPaths(words: readonly string[], flags: SendFlags): Promise<void> {
  if (flags.v1 === true) return (await import('./send-v1.js')).sendFileV1(words, flags)
  const [paths, last] = [words.slice(0, -1), words.at(-1)]
  if (last === undefined || paths.length === 0)
    throw cliError('ERR_CLI_USAGE', 'say what to send, and where to: dwcp send <path...> <destination>')
  const location = parseLocation(last)
  await (location.kind === 'ssh' ? sendOverSsh(paths, location, flags) : sendTo(paths, location, flags))
}

async function sendTo(paths: readonly string[], { address, path: directory }: ServedLocation, flags: SendFlags): Promise<void> {
  const options = sessionOptions(await readIdentity(flags), flags, 'send')
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

async function sendOverSsh(paths: readonly string[], { host, path }: SshLocation, flags: SendFlags): Promise<void> {
  const { sendTree } = await import('@dwcp/core/transfer')
  const { createSshCaller } = await import('./ssh/call.js')
  const { checksum: comparesContents = false, links, resume: resumes } = flags
  // Of these sources alone: others may be on their way into the same directory.
  const sources = [hostname(), ...paths.map((one) => resolve(one))].join('\0')
  const staging = createHash('sha256').update(sources).digest('hex').slice(0, 16)
  const order = { direction: 'in', paths: [path === '' ? '.' : path], links, staging } as const
  await using caller = createSshCaller({ ...flags, host, order, session: flowOptions(flags, 'send') })
  await copy(
    {
      title: paths.join(' '),
      connect: (signal) => caller.connect(signal),
      run: (session, attempt) => sendTree(session, paths, { comparesContents, resumes, ...attempt }),
    },
    flags,
  )
}
