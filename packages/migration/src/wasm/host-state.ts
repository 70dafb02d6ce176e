import { decode, encode } from '@msgpack/msgpack'
import { invalidState } from './errors.js'
import type { Answer, MailboxLimits, MailboxState, WorkloadRequest } from './mailbox.js'
import type { RandomState } from './seeded-random.js'

/** Everything of a workload that is not in its memory. */
export interface HostState {
  /** Whether the start function and `init` have run. */
  readonly begun: boolean
  readonly finished: boolean
  readonly memoryPages: number
  /** Mutable globals in the order of their index, as raw bits: 32 or 64 of them. */
  readonly globals: readonly (number | bigint)[]
  /** The program's clock in the last slice. */
  readonly nowMs: number
  /** What has passed since on the program's clock. */
  readonly sinceMs: number
  /** When the program wants to run again, on its clock; undefined: at the next tick. */
  readonly wakeMs: number | undefined
  /** Whether the last slice left more to do. */
  readonly more: boolean
  readonly seed: number
  readonly random: RandomState
  readonly slices: number
  readonly budget: number
  readonly inputDigest: Uint8Array
  readonly mailbox: MailboxState
}

const VERSION = 1
export const INPUT_DIGEST_BYTES = 16
export const MOST_CLIENT_NAME_BYTES = 256
const MOST_GLOBALS = 100_000

export function encodeHostState(state: HostState): Uint8Array {
  const { mailbox } = state
  return encode(
    [
      VERSION,
      state.begun,
      state.finished,
      state.memoryPages,
      state.globals,
      state.nowMs,
      state.sinceMs,
      state.wakeMs ?? null,
      state.more,
      state.seed,
      state.random,
      state.slices,
      state.budget,
      state.inputDigest,
      mailbox.arrivals.map(letter),
      mailbox.queue.map(letter),
      mailbox.open === undefined ? [] : [letter(mailbox.open)],
      mailbox.answers.map(letter),
    ],
    { useBigInt64: true, forceIntegerToFloat: false },
  )
}

/** Bytes from another node: every field is checked. Throws `ERR_MIGRATION_STATE_INVALID`. */
export function decodeHostState(bytes: Uint8Array, limits: MailboxLimits): HostState {
  const fields = new Fields(parse(bytes, limits), 'host state')
  if (fields.number() !== VERSION) throw invalidState('a host state of another version')
  return {
    begun: fields.boolean(),
    finished: fields.boolean(),
    memoryPages: fields.integer(65_536),
    globals: fields.list(MOST_GLOBALS).map(globalBits),
    nowMs: fields.duration(),
    sinceMs: fields.duration(),
    wakeMs: fields.optionalTime(),
    more: fields.boolean(),
    seed: fields.integer(Number.MAX_SAFE_INTEGER),
    random: randomState(fields.list(4)),
    slices: fields.integer(Number.MAX_SAFE_INTEGER),
    budget: Math.max(1, fields.integer(2 ** 31 - 1)),
    inputDigest: fields.bytes(INPUT_DIGEST_BYTES, INPUT_DIGEST_BYTES),
    mailbox: readMailbox(fields, limits),
  }
}

function readMailbox(fields: Fields, limits: MailboxLimits): MailboxState {
  const letters = (most: number, mostBytes: number): WorkloadRequest[] => fields.list(most).map((item) => readLetter(item, mostBytes))
  const arrivals = letters(limits.maxClients, limits.maxRequestBytes)
  const queue = letters(limits.maxClients, limits.maxRequestBytes)
  const [open] = letters(1, limits.maxRequestBytes)
  const answers: readonly Answer[] = letters(limits.maxClients, limits.maxReplyBytes)
  const waiting = [...arrivals, ...queue, ...(open === undefined ? [] : [open])]
  if (new Set(waiting.map(({ client }) => client)).size !== waiting.length) throw invalidState('two requests of one client at a time')
  if (total(waiting) > limits.maxMailboxBytes || total(answers) > limits.maxMailboxBytes) {
    throw invalidState(`more than ${limits.maxMailboxBytes} bytes of requests or of answers (maxMailboxBytes)`)
  }
  if (waiting.length > limits.maxClients) throw invalidState(`${waiting.length} clients wait, ${limits.maxClients} are allowed`)
  return { arrivals, queue, open, answers }
}

function total(letters: readonly WorkloadRequest[]): number {
  return letters.reduce((sum, { payload }) => sum + payload.length, 0)
}

function letter({ client, sequence, payload }: WorkloadRequest): readonly unknown[] {
  return [client, sequence, payload]
}

function readLetter(item: unknown, mostBytes: number): WorkloadRequest {
  const fields = new Fields(item, 'request')
  return {
    client: fields.text(MOST_CLIENT_NAME_BYTES),
    sequence: fields.integer(Number.MAX_SAFE_INTEGER),
    payload: fields.bytes(0, mostBytes),
  }
}

function globalBits(value: unknown): number | bigint {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) return value
  throw invalidState('a global that is not an integer')
}

function randomState(words: readonly unknown[]): RandomState {
  const [a, b, c, d] = words.map((word) => (typeof word === 'bigint' ? Number(word) : word))
  if (typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number' || typeof d !== 'number')
    throw invalidState('a generator without state')
  if ((a | b | c | d) === 0) throw invalidState('a generator whose state is all zero')
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0]
}

function parse(bytes: Uint8Array, limits: MailboxLimits): unknown {
  try {
    return decode(bytes, {
      useBigInt64: true,
      maxStrLength: MOST_CLIENT_NAME_BYTES,
      maxBinLength: Math.max(limits.maxRequestBytes, limits.maxReplyBytes, INPUT_DIGEST_BYTES),
      maxArrayLength: Math.max(MOST_GLOBALS, limits.maxClients),
      maxMapLength: 0,
      maxExtLength: 0,
    })
  } catch (cause) {
    throw invalidState(`the host state is not what it should be (${cause instanceof Error ? cause.message : 'unreadable'})`)
  }
}

/** Reads the items of a list one after the other, each with its type and bounds. */
class Fields {
  readonly #items: readonly unknown[]
  readonly #what: string
  #next = 0

  constructor(items: unknown, what: string) {
    if (!Array.isArray(items)) throw invalidState(`a ${what} that is no list`)
    this.#items = items
    this.#what = what
  }

  boolean(): boolean {
    const value = this.#take()
    return typeof value === 'boolean' ? value : this.#refuse('a truth value')
  }

  number(): number {
    const value = this.#take()
    if (typeof value === 'bigint') return Number(value)
    return typeof value === 'number' ? value : this.#refuse('a number')
  }

  integer(most: number): number {
    const value = this.number()
    return Number.isInteger(value) && value >= 0 && value <= most ? value : this.#refuse(`an integer from 0 to ${most}`)
  }

  duration(): number {
    const value = this.number()
    return Number.isFinite(value) && value >= 0 ? value : this.#refuse('a duration')
  }

  optionalTime(): number | undefined {
    if (this.#items[this.#next] === null) {
      this.#next++
      return undefined
    }
    const value = this.number()
    return Number.isNaN(value) ? this.#refuse('a time') : value
  }

  bytes(least: number, most: number): Uint8Array {
    const value = this.#take()
    if (!(value instanceof Uint8Array) || value.length < least || value.length > most) return this.#refuse(`${least} to ${most} bytes`)
    // A copy of its own: what is kept must neither pin the whole message nor be moved with it.
    return value.slice()
  }

  text(most: number): string {
    const value = this.#take()
    return typeof value === 'string' && value.length <= most ? value : this.#refuse(`a text of at most ${most} characters`)
  }

  list(most: number): readonly unknown[] {
    const value = this.#take()
    return Array.isArray(value) && value.length <= most ? value : this.#refuse(`a list of at most ${most}`)
  }

  #take(): unknown {
    return this.#items[this.#next++]
  }

  #refuse(expected: string): never {
    throw invalidState(`field ${this.#next} of the ${this.#what} is not ${expected}`)
  }
}
