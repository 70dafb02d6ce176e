import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Another Node process that answers questions, over the IPC channel. */
export interface Peer extends AsyncDisposable {
  /**
   * `Answer` is the caller's word about its own script.
   *
   * @throws what went wrong over there, or that it ended.
   */
  ask<Answer>(question: Question): Promise<Answer>
}

/** The method by name, and what it is given. Both cross the channel by structured clone. */
export interface Question {
  readonly method: string
  readonly argument?: unknown
}

type Reply<Answer> = { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly error: string }

/** Under the question's number: one that takes long does not keep others waiting. */
interface Numbered {
  readonly number: number
}

/**
 * Starts `file` of dist. `around`: the command line that runs it elsewhere, for example `lab.command('a', …)`; IPC works
 * through `ip netns exec`, which becomes the command that it runs.
 */
export function startPeer(file: URL, around: (command: readonly string[]) => readonly string[] = (command) => command): Peer {
  const [program = process.execPath, ...args] = around([process.execPath, '--expose-gc', file.pathname])
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
  let asked = 0
  return {
    async ask<Answer>({ method, argument }: Question): Promise<Answer> {
      asked += 1
      const reply = await roundTrip<Answer>(child, { method, argument, number: asked })
      if (!reply.ok) throw new Error(`${method} went wrong in ${file.pathname}: ${reply.error}`)
      return reply.answer
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function roundTrip<Answer>(child: ChildProcess, question: Question & Numbered): Promise<Reply<Answer>> {
  return new Promise((resolve, reject) => {
    const ended = (): void =>
      reject(new Error(`the process ended (${child.exitCode ?? child.signalCode}) before it answered ${question.method}`))
    if (child.exitCode !== null || child.signalCode !== null) return ended()
    child.once('exit', ended)
    child.once('error', reject)
    const heard = (reply: Reply<Answer> & Numbered): void => {
      if (reply.number !== question.number) return
      child.off('exit', ended).off('error', reject).off('message', heard)
      resolve(reply)
    }
    child.on('message', heard)
    child.send(question)
  })
}

/** The other end of {@link startPeer}: answers from these methods until the parent is gone. */
export function answerParent(methods: Readonly<Record<string, (argument: never) => Promise<unknown>>>): void {
  process.on('message', ({ method, argument, number }: { method: string; argument: never } & Numbered) => {
    const reply = (sent: Reply<unknown>): boolean | undefined => process.send?.({ ...sent, number })
    const found = methods[method]
    if (found === undefined) reply({ ok: false, error: `no method ${method}` })
    else
      found(argument).then(
        (answer) => reply({ ok: true, answer }),
        (error: unknown) => reply({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      )
  })
  process.on('disconnect', () => process.exit(0))
}
