import { loadavg } from 'node:os'
import { performance } from 'node:perf_hooks'
import { describeMachine, type Machine } from './machine.js'
import { isOfCase } from './merge.js'
import { type Measured, type Row, rowsOf } from './rows.js'
import type { Case, Contender, DataNote, Measurement, Suite, SuiteContext } from './suite.js'

/** How one case was measured: cases of one result may have been run at different times. */
export interface CaseRun {
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  /** As `sourceCommit` gives it; absent outside of a repository. */
  readonly commit?: string
  /** Of the last minute before it. */
  readonly loadAverage: number
  /** From its opening to its end, on the clock. */
  readonly wallSeconds: number
}

export interface SuiteResult {
  readonly version: 1
  readonly suite: string
  readonly purpose: string
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  readonly short: boolean
  readonly machine: Machine
  readonly data: Readonly<Record<string, DataNote>>
  /** By name of the case; absent in results from before it was kept. */
  readonly cases?: Readonly<Record<string, CaseRun>>
  /** What this run went without, and what its figures include. */
  readonly notes: readonly string[]
  readonly rows: readonly Row[]
}

export interface RunOptions {
  readonly short: boolean
  /** How this run was started, for whoever wants to repeat it. */
  readonly command: string
  /** Only cases whose name holds this text. */
  readonly caseName?: string
  /** Cases that need not run. */
  readonly skips?: (caseName: string) => boolean
  /** As `sourceCommit` gives it. */
  readonly commit?: string
  /** Overrides every case's own number. */
  readonly runs?: number
  /** Longest that one run of one contender may take before the suite is given up. @defaultValue 180,000 */
  readonly runTimeoutMs?: number
  readonly onProgress: (text: string) => void
  /** After each case, with all cases so far: what was measured is not lost with what comes after it. */
  readonly onCase?: (soFar: SuiteResult) => Promise<void>
}

const RUN_TIMEOUT_MS = 180_000
const SLOW_RUN_TIMEOUT_MS = 1_800_000

/** Runs every case of the suite, the contenders of each in turn (A B A B …), so that what changes on the machine meets all of them. */
export async function runSuite(suite: Suite, options: RunOptions): Promise<SuiteResult> {
  const notes: string[] = []
  const context: SuiteContext = {
    short: options.short,
    wanted: (name) => name.includes(options.caseName ?? '') && options.skips?.(name) !== true,
    note: (text) => {
      if (!notes.includes(text)) notes.push(text)
      options.onProgress(`note: ${text}`)
    },
  }
  const machine = await describeMachine(suite.tools)
  const chosen = (await suite.cases(context)).filter(({ name }) => context.wanted(name))
  refuseNamesWithin(chosen.map(({ name }) => name))
  const date = new Date().toISOString()
  let result: SuiteResult = {
    version: 1,
    suite: suite.name,
    purpose: suite.purpose,
    date,
    command: options.command,
    short: options.short,
    machine,
    data: {},
    cases: {},
    notes,
    rows: [],
  }
  for (const subject of chosen) {
    refuseInexactLimits(subject)
    const run = beginCase(options)
    const { data, rows } = await measureCase(suite.name, subject, context, options)
    result = {
      ...result,
      data: { ...result.data, [subject.name]: data },
      cases: { ...result.cases, [subject.name]: run() },
      rows: [...result.rows, ...rows],
    }
    await options.onCase?.(result)
  }
  return result
}

function beginCase({ command, commit }: RunOptions): () => CaseRun {
  const [startMs, date, loadAverage] = [performance.now(), new Date().toISOString(), loadavg()[0] ?? 0]
  return () => ({
    date,
    command,
    ...(commit === undefined ? {} : { commit }),
    loadAverage,
    wallSeconds: Math.round((performance.now() - startMs) / 1000),
  })
}

async function measureCase(
  suite: string,
  subject: Case,
  context: SuiteContext,
  options: RunOptions,
): Promise<{ readonly data: DataNote; readonly rows: readonly Row[] }> {
  await using open = await subject.open(context)
  return { data: open.data, rows: rowsOf(suite, subject, await interleave(subject, open.contenders, options)) }
}

async function interleave(subject: Case, contenders: readonly Contender[], options: RunOptions): Promise<Measured[]> {
  const runs = options.runs ?? (options.short ? 1 : (subject.runs ?? 3))
  const warmups = options.short ? 0 : (subject.warmups ?? 1)
  const measured = contenders.map((contender): { contender: Contender; measurements: Measurement[] } => ({ contender, measurements: [] }))
  for (let round = -warmups; round < runs; round++) {
    for (const { contender, measurements } of measured) {
      if (contender.slow === true && round !== 0) continue
      options.onProgress(
        `${subject.name}: ${contender.name}, ${round < 0 ? 'warm-up' : `run ${round + 1} of ${contender.slow === true ? 1 : runs}`}`,
      )
      const timeoutMs = options.runTimeoutMs ?? (contender.slow === true ? SLOW_RUN_TIMEOUT_MS : RUN_TIMEOUT_MS)
      const measurement = await attempt(subject, contender, timeoutMs)
      if (round >= 0) measurements.push(measurement)
    }
  }
  return measured
}

async function attempt(subject: Case, contender: Contender, timeoutMs: number): Promise<Measurement> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([contender.run(), late])
  } catch (cause) {
    throw new Error(`${subject.name}: the run of ${contender.name} went wrong, so this suite has no result`, { cause })
  } finally {
    clearTimeout(timer)
  }
}

/** Rows say which of ours they are behind the name of their case: one case's rows must not look like those of another. */
function refuseNamesWithin(names: readonly string[]): void {
  for (const name of names) {
    const other = names.find((one) => one !== name && isOfCase(name, one))
    if (other !== undefined) throw new TypeError(`the case "${name}" reads like one of ours in the case "${other}": name it otherwise`)
  }
}

/** A run that fails because a machine was busy teaches people to ignore failures. */
function refuseInexactLimits(subject: Case): void {
  for (const metric of subject.metrics) {
    if (!metric.exact && metric.limits !== undefined)
      throw new TypeError(`${subject.name}: ${metric.name} depends on the machine and has a limit; only exact figures may`)
  }
}
