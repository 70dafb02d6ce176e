import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type ControlCaller, createCaller } from '../control/call.js'
import { callNode } from '../control/control-socket.js'
import { cliError } from '../errors.js'
import { packageFolder } from '../package-folder.js'

/** Another process of this command. It ends when this one ends, however that happens, unless it was started to stay. */
export interface Child extends AsyncDisposable {
  readonly pid: number
  readonly caller: ControlCaller
}

export interface ChildOptions {
  /** The whole command line: what it runs in, and {@link ownCommand} with its words. */
  readonly command: readonly string[]
  /** For its log. */
  readonly directory: string
  readonly signal: AbortSignal
}

const START_TIMEOUT_MS = 20_000
const START_POLL_MS = 20
const END_TIMEOUT_MS = 5_000

/** The command line of this very command with other words. */
export function ownCommand(...words: readonly string[]): readonly string[] {
  return [process.execPath, join(packageFolder(), 'dist', 'main.js'), ...words]
}

/** Starts `dwcp node`; resolves when it answers at the control socket in `directory`. @throws `ERR_CLI_CHILD` with what it said. */
export async function startNodeProcess(options: ChildOptions & { readonly stay: boolean }): Promise<Child> {
  const { directory, signal, stay } = options
  const log = await open(join(directory, 'log'), 'a')
  const child = launch(options.command, [stay ? 'ignore' : 'pipe', log.fd, log.fd])
  await log.close()
  const ended = endOf(child)
  try {
    const deadlineMs = performance.now() + START_TIMEOUT_MS
    while (performance.now() < deadlineMs) {
      signal.throwIfAborted()
      if (child.exitCode !== null || child.signalCode !== null) break
      const caller = await callNode(directory).catch(() => undefined)
      if (caller !== undefined) {
        if (stay) child.unref()
        return childFrom(child, ended, caller)
      }
      await delay(START_POLL_MS)
    }
    throw cliError('ERR_CLI_CHILD', `a node did not start: ${(await readFile(join(directory, 'log'), 'utf8')).trim() || 'it said nothing'}`)
  } catch (error) {
    await end(child, ended)
    throw error
  }
}

/** Starts the demo's client; it obeys over its standard streams. */
export async function startClientProcess({ command, directory }: ChildOptions): Promise<Child> {
  const log = await open(join(directory, 'client.log'), 'a')
  const child = launch(command, ['pipe', 'pipe', log.fd])
  await log.close()
  return childFrom(child, endOf(child), createCaller(streamsOf(child), 'the client'))
}

/** In a group of its own: a Ctrl-C at the terminal is for us, who then ends it in order. */
function launch([file = '', ...words]: readonly string[], stdio: readonly ('pipe' | 'ignore' | number)[]): ChildProcess {
  return spawn(file, words, { stdio: [...stdio], detached: true })
}

function streamsOf({ stdin, stdout }: ChildProcess): { readonly input: Readable; readonly output: Writable } {
  if (stdin === null || stdout === null) throw new TypeError('the client was started without pipes')
  return { input: stdout, output: stdin }
}

function childFrom(child: ChildProcess, ended: Promise<void>, caller: ControlCaller): Child {
  return {
    pid: child.pid ?? 0,
    caller,
    async [Symbol.asyncDispose]() {
      caller.close()
      await end(child, ended)
    },
  }
}

function endOf(child: ChildProcess): Promise<void> {
  // Writing to a child that is gone is no news: that it ended is.
  child.stdin?.on('error', () => undefined)
  return once(child, 'exit').then(
    () => undefined,
    () => undefined,
  )
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.stdin?.end()
  child.kill('SIGTERM')
  const inTime = await Promise.race([ended.then(() => true), delay(END_TIMEOUT_MS, false, { ref: false })])
  if (inTime) return
  child.kill('SIGKILL')
  await ended
}
