import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { cliError, type ErrorRecord, errorRecord } from '../errors.js'
import { readJsonLines } from './json-lines.js'

/** Arguments as they came: unchecked. */
export type ControlArguments = Readonly<Record<string, unknown>>

/** What an operation may do besides answering. */
export interface ControlContext {
  /** Aborted when the caller cancels or hangs up. */
  readonly signal: AbortSignal
  /** Tells the caller how it goes. Dropped while the caller does not read. */
  readonly emit: (event: object) => void
}

export type ControlHandler = (args: ControlArguments, context: ControlContext) => Promise<unknown>

export interface ServeOptions {
  /** Longest line that is read. @defaultValue 65536 */
  readonly maxLineBytes?: number
  /** Operations under way at once. @defaultValue 16 */
  readonly maxOpen?: number
}

/** One line, in either direction. */
export type ControlLine = { readonly id: number; readonly op: string; readonly args: ControlArguments } | { readonly cancel: number }
export type ControlReply =
  | { readonly id: number; readonly event: object }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: ErrorRecord }

/** Unread events are dropped past this; a result never is. */
const MAX_UNSENT_BYTES = 256 * 1024

/**
 * Answers one caller until it hangs up. A line that breaks the protocol ends the connection, after saying why.
 * Resolves when the caller is gone and every operation has ended.
 */
export async function serveControl(
  stream: { readonly input: Readable; readonly output: Writable },
  handlers: Readonly<Record<string, ControlHandler>>,
  options: ServeOptions = {},
): Promise<void> {
  const { maxLineBytes = 65_536, maxOpen = 16 } = options
  const { input, output } = stream
  const open = new Map<number, { readonly controller: AbortController; readonly done: Promise<void> }>()
  const send = (reply: ControlReply): void => {
    if (output.writable) output.write(`${JSON.stringify(reply)}\n`)
  }
  const begin = (id: number, op: string, args: ControlArguments): void => {
    const handler = Object.hasOwn(handlers, op) ? handlers[op] : undefined
    if (handler === undefined)
      throw cliError('ERR_CLI_CONTROL', `there is no operation "${op.slice(0, 40)}"; there are ${Object.keys(handlers).join(', ')}`)
    if (open.has(id)) throw cliError('ERR_CLI_CONTROL', `operation ${id} is under way already; number each one anew`)
    if (open.size >= maxOpen) throw cliError('ERR_CLI_CONTROL', `${maxOpen} operations are under way; wait for one to end`)
    const controller = new AbortController()
    const emit = (event: object): void => {
      if (output.writableLength < MAX_UNSENT_BYTES) send({ id, event })
    }
    const run = async (): Promise<void> => {
      try {
        send({ id, result: (await handler(args, { signal: controller.signal, emit })) ?? null })
      } catch (error) {
        send({ id, error: errorRecord(error) })
      } finally {
        open.delete(id)
      }
    }
    open.set(id, { controller, done: Promise.resolve().then(run) })
  }
  try {
    for await (const value of readJsonLines(input, maxLineBytes)) {
      const line = parseLine(value)
      if ('cancel' in line) open.get(line.cancel)?.controller.abort(cliError('ERR_CLI_INTERRUPTED', 'cancelled by the caller'))
      else {
        try {
          begin(line.id, line.op, line.args)
        } catch (error) {
          send({ id: line.id, error: errorRecord(error) })
        }
      }
    }
  } catch (error) {
    // The line has no number of its own that could be trusted.
    send({ id: 0, error: errorRecord(error) })
  } finally {
    const waiting = [...open.values()]
    for (const { controller } of waiting) controller.abort(cliError('ERR_CLI_INTERRUPTED', 'the caller hung up'))
    await Promise.all(waiting.map(({ done }) => done))
    // Its last words are on their way before the connection is taken down.
    output.end()
    await finished(output, { readable: false }).catch(() => undefined)
  }
}

function parseLine(value: unknown): ControlLine {
  if (isRecord(value)) {
    const { cancel, id, op, args = {} } = value
    if (isNumber(cancel)) return { cancel }
    if (isNumber(id) && typeof op === 'string' && isRecord(args)) return { id, op, args }
  }
  throw cliError('ERR_CLI_CONTROL', 'a line that is neither { id, op, args } nor { cancel }')
}

/** Numbers begin with 1. */
function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
