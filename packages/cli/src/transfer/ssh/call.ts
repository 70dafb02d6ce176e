import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { connect, createEphemeralCredentials, type EphemeralCredentials, type Session } from '@dwcp/core/transfer'
import { readJsonLines } from '../../control/json-lines.js'
import { cliError } from '../../errors.js'
import type { FlowOptions } from '../transfer-flags.js'
import { AGENT, CALLER, decodeWelcome, encodeOrder, LINE_BYTES_MAX, type Order, type Welcome } from './messages.js'

/** How to reach `dwcp` on another machine. */
export interface SshFlags {
  /** The command, with its options. */
  readonly ssh: string
  /** The command there. */
  readonly remoteDwcp: string
  /** For the data; 0: any. */
  readonly dataPort: number
}

export interface SshOptions extends SshFlags {
  readonly host: string
  readonly order: Omit<Order, 'version' | 'cert' | 'port'>
  readonly session: FlowOptions
}

/** Sessions with an agent that was started over ssh; it ends with this. */
export interface SshCaller extends AsyncDisposable {
  /** What to ask for, as the agent that was reached last knows it. */
  readonly paths: readonly string[]
  connect(signal: AbortSignal): Promise<Session>
}

type Ssh = ChildProcessByStdio<Writable, Readable, null>

const END_TIMEOUT_MS = 5000

/**
 * Starts `dwcp` on another machine over the system's ssh, which says who may. Both ends make a key for this one purpose, hand each other
 * their certificates through ssh, and accept nobody else in the session of mutual TLS 1.3 that follows beside it.
 */
export function createSshCaller(options: SshOptions): SshCaller {
  const { host, ssh, session, order } = options
  let credentials: EphemeralCredentials | undefined
  let reached: { readonly child: Ssh; readonly welcome: Welcome } | undefined
  return {
    get paths() {
      return reached?.welcome.paths ?? order.paths
    },
    async connect(signal) {
      credentials ??= await createEphemeralCredentials(CALLER)
      if (!reached || hasEnded(reached.child)) reached = await start(options, credentials.cert, signal)
      const { cert: ca, port } = reached.welcome
      const tls = { ...credentials, ca }
      return connect({ host: await addressOf(ssh, host), port }, { nodeId: CALLER, tls, expect: AGENT, ...session, signal })
    },
    async [Symbol.asyncDispose]() {
      if (reached) await end(reached.child)
    },
  }
}

async function start(options: SshOptions, cert: string, signal: AbortSignal): Promise<{ readonly child: Ssh; readonly welcome: Welcome }> {
  const { host, ssh, remoteDwcp, dataPort: port, order } = options
  const [file = '', ...words] = ssh.split(' ').filter((word) => word !== '')
  const child = spawn(file, [...words, '--', host, `${remoteDwcp} transfer-agent`], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  ended.catch(() => undefined)
  // Writing to a child that is gone is no news: that it ended is.
  child.stdin.on('error', () => undefined)
  const stop = (): void => void child.kill()
  signal.addEventListener('abort', stop, { once: true })
  try {
    child.stdin.write(encodeOrder({ ...order, cert, port }))
    for await (const line of readJsonLines(child.stdout, LINE_BYTES_MAX)) {
      const welcome = decodeWelcome(line)
      // Nothing more is expected, and nothing may be held up.
      child.stdout.resume()
      return { child, welcome }
    }
    signal.throwIfAborted()
    const [status] = await ended
    throw cliError(
      'ERR_CLI_SSH',
      `${ssh} ${host} ended with ${status} before dwcp answered there: try "${ssh} ${host} ${remoteDwcp} --version"`,
    )
  } catch (error) {
    await end(child)
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The address that ssh would use, which may know the host by another name. */
async function addressOf(ssh: string, host: string): Promise<string> {
  const [file = '', ...words] = ssh.split(' ').filter((word) => word !== '')
  try {
    const { stdout } = await promisify(execFile)(file, [...words, '-G', '--', host])
    const known = /^hostname (.+)$/m.exec(stdout)?.[1]
    if (known !== undefined) return known
  } catch {
    // A command that is like ssh and not OpenSSH's: the name is all that there is.
  }
  return host.slice(host.lastIndexOf('@') + 1)
}

const hasEnded = ({ exitCode, signalCode }: Ssh): boolean => exitCode !== null || signalCode !== null

async function end(child: Ssh): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.stdin.end()
  const inTime = await Promise.race([ended.then(() => true), setTimeout(END_TIMEOUT_MS, false, { ref: false })])
  if (!inTime) child.kill()
}
