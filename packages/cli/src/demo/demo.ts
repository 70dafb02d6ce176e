import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatAddress } from '../address.js'
import type { ControlCaller } from '../control/call.js'
import { cliError } from '../errors.js'
import { callMigrate } from '../node/call-migrate.js'
import { statusOf } from '../node/status.js'
import { type Child, ownCommand, startClientProcess, startNodeProcess } from './child.js'
import type { Conversation, DemoLink, DemoMigration, DemoNode, DemoOptions, DemoReport, DemoStep, Proof } from './demo-options.js'
import { summarize } from './demo-report.js'
import { openPlace, type Place } from './place.js'
import { type PlannedWorkload, planWorkloads } from './workload-plan.js'

/** Answers that make out what is usual, and those waited for after a migration; a slow link is not waited for longer. */
const ANSWERS_BEFORE = 200
const ANSWERS_AFTER = 20
const SETTLE_MAX_MS = 1_500
const DEFAULT_DOWNTIME_MS = 100
const SEED = 2024

/** One node process of the demo. */
interface Side extends DemoNode {
  readonly child: Child
}

/**
 * Starts two node processes, workloads and a client that never stops asking; moves every workload to the other node and back;
 * checks all of their state after each way. Everything in the report was measured in this run.
 *
 * @throws `ERR_CLI_NO_LAB`, `ERR_CLI_CHILD`, RangeError for options out of range, what a migration throws, and the signal's
 * reason. Processes, directories and namespaces are gone by then.
 *
 * @example
 * ```ts
 * import { runDemo } from '@dwcp/cli'
 * const report = await runDemo({ bytes: 16 * 2 ** 20 })
 * console.log(report.verified, report.downtimeMs)
 * ```
 * @public
 */
export async function runDemo(options: DemoOptions = {}): Promise<DemoReport> {
  const { keep = false, link = { kind: 'loopback' }, downtimeMs = DEFAULT_DOWNTIME_MS, onStep = () => undefined } = options
  const signal = options.signal ?? new AbortController().signal
  const plan = planWorkloads(options)
  const undo: (() => PromiseLike<unknown>)[] = []
  const undoAll = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step()
  }
  const show = perform({ keep, link, downtimeMs, signal, onStep, plan, later: (step) => undo.push(step) })
  try {
    const report = await unlessAborted(show, signal)
    if (!keep) await undoAll()
    return report
  } catch (error) {
    await undoAll()
    // It ends soon now that nobody answers it; what it began meanwhile is undone as well.
    await show.catch(() => undefined)
    await undoAll()
    throw error
  }
}

interface Parts {
  readonly keep: boolean
  readonly link: DemoLink
  readonly downtimeMs: number
  readonly signal: AbortSignal
  readonly onStep: (step: DemoStep) => void
  readonly plan: readonly PlannedWorkload[]
  /** What is to be undone at the end, last first. */
  readonly later: (step: () => PromiseLike<unknown>) => void
}

async function perform(parts: Parts): Promise<DemoReport> {
  const { keep, link, downtimeMs, signal, onStep, plan, later } = parts
  const directory = await mkdtemp(join(tmpdir(), 'dwcp-demo-'))
  later(() => rm(directory, { recursive: true, force: true }))
  const place = await openPlace(link, keep)
  later(() => place[Symbol.asyncDispose]())
  const a = await startSide('a', place, directory, parts)
  const b = await startSide('b', place, directory, parts)
  const nodes = [nodeOf(a), nodeOf(b)]
  onStep({ kind: 'place', place: place.about, nodes })
  const client = await startClientProcess({ command: place.command('a', ownCommand('demo-client')), directory, signal })
  later(() => client[Symbol.asyncDispose]())
  const stage: Stage = { a, b, client: client.caller, plan, downtimeMs, signal, onStep }
  await populate(stage, place)
  const watching = new AbortController()
  const onEvent = ({ answered }: Readonly<Record<string, unknown>>): void => onStep({ kind: 'answered', answered: Number(answered) })
  const watched = client.caller.call('watch', {}, { signal: watching.signal, onEvent })
  // Awaited below, unless something else goes wrong first.
  watched.catch(() => undefined)
  const there = await moveAll(stage, a, b)
  const back = await moveAll(stage, b, a)
  watching.abort()
  await watched
  const talk = await conversation(stage, 'end')
  if (keep) {
    await client[Symbol.asyncDispose]()
    for (const side of [a, b]) side.child.caller.close()
  }
  return summarize([...there, ...back], talk, {
    place: place.about,
    nodes,
    workloads: plan.map(({ id, program, about }) => ({ id, program, about })),
    ...(keep ? { cleanUp: [`kill ${a.pid} ${b.pid}`, ...place.cleanUp, `rm -r ${directory}`] } : {}),
  })
}

interface Stage {
  readonly a: Side
  readonly b: Side
  readonly client: ControlCaller
  readonly plan: readonly PlannedWorkload[]
  readonly downtimeMs: number
  readonly signal: AbortSignal
  readonly onStep: (step: DemoStep) => void
}

async function startSide(side: 'a' | 'b', place: Place, directory: string, { keep, signal, later }: Parts): Promise<Side> {
  const id = `demo-${side}`
  const home = join(directory, side)
  await mkdir(home)
  const words = ['node', '--node-id', id, '--dir', home, '--listen', `${place.address(side)}:0`, '--json', ...(keep ? [] : ['--attached'])]
  const command = ownCommand(...words, '--plaintext', place.plaintext === true ? 'loopback' : place.plaintext)
  const child = await startNodeProcess({ command: place.command(side, command), directory: home, signal, stay: keep })
  later(() => child[Symbol.asyncDispose]())
  const { address, pid } = await statusOf(child)
  return { id, address: formatAddress(address), pid, directory: home, child }
}

function nodeOf({ id, address, pid, directory }: Side): DemoNode {
  return { id, address, pid, directory }
}

/** Starts the workloads on the first node, and lets the client bring each into its first state and begin to talk. */
async function populate({ a, b, client, plan, signal, onStep }: Stage, place: Place): Promise<void> {
  for (const { id, program, order } of plan) {
    await a.child.caller.call('run', { program, id, seed: SEED }, { signal })
    await client.call(
      'begin',
      { nodes: [a.address, b.address], plaintext: place.plaintext, order },
      { signal, onEvent: ({ done, of }) => onStep({ kind: 'filling', workload: id, done: Number(done), of: Number(of) }) },
    )
    signal.throwIfAborted()
  }
  onStep({ kind: 'ready', workloads: plan })
}

async function moveAll(stage: Stage, from: Side, to: Side): Promise<readonly DemoMigration[]> {
  const moved: Omit<DemoMigration, 'proof'>[] = []
  for (const { id } of stage.plan) moved.push(await moveOne(stage, id, from, to))
  const migrations: DemoMigration[] = []
  for (const migration of moved) migrations.push({ ...migration, proof: await prove(stage, migration.workload) })
  stage.onStep({ kind: 'moved', from: from.id, to: to.id, migrations })
  return migrations
}

async function moveOne(stage: Stage, workload: string, from: Side, to: Side): Promise<Omit<DemoMigration, 'proof'>> {
  const { client, signal, onStep, downtimeMs: budgetMs } = stage
  const settle = (answers: number): Promise<unknown> => client.call('settle', { workload, answers, maxMs: SETTLE_MAX_MS }, { signal })
  await conversation(stage, 'turn', workload)
  await settle(ANSWERS_BEFORE)
  const before = await conversation(stage, 'turn', workload)
  onStep({ kind: 'begins', workload, from: from.id, to: to.id })
  const report = await callMigrate(from.child.caller, {
    // A busy host shall not end the demonstration: what it took stands beside the budget.
    args: { workload, to: to.address, downtimeMs: budgetMs, exceedDowntime: true },
    signal,
    onProgress: (progress) => onStep({ kind: 'progress', workload, progress }),
  })
  await settle(ANSWERS_AFTER)
  const during = await conversation(stage, 'turn', workload)
  return { ...report, downtimeMs: Math.max(0, during.gapMs.max - before.gapMs.median), before, during }
}

async function prove({ client, signal, onStep }: Stage, workload: string): Promise<Proof> {
  const onEvent = ({ done, of }: Readonly<Record<string, unknown>>): void =>
    onStep({ kind: 'verifying', workload, done: Number(done), of: Number(of) })
  const proof = await client.call('verify', { workload }, { signal, onEvent })
  if (!isProof(proof)) throw cliError('ERR_CLI_CONTROL', 'the client process answers in another version: build again')
  return proof
}

async function conversation({ client, signal }: Stage, op: 'turn' | 'end', workload?: string): Promise<Conversation> {
  const talk = await client.call(op, workload === undefined ? {} : { workload }, { signal })
  if (!isConversation(talk)) throw cliError('ERR_CLI_CONTROL', 'the client process answers in another version: build again')
  return talk
}

function isProof(value: unknown): value is Proof {
  return typeof value === 'object' && value !== null && 'verified' in value && 'text' in value
}

function isConversation(value: unknown): value is Conversation {
  return typeof value === 'object' && value !== null && 'answered' in value && 'gapMs' in value
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
