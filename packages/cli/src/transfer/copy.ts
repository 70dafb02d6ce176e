import { setTimeout } from 'node:timers/promises'
import type { Session, TreeProgress, TreeReport } from '@dwcp/core/transfer'
import { isDwcpError } from '@dwcp/interface'
import { cliError, EXIT } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput, type Output } from '../output.js'
import { createProgressDisplay, type ProgressDisplay } from '../progress-display.js'
import type { CopyFlags } from './transfer-flags.js'
import { reportText } from './transfer-text.js'

/** What one attempt is given. */
export interface Attempt {
  readonly signal: AbortSignal
  readonly onProgress: (progress: TreeProgress) => void
}

export interface Copying {
  readonly title: string
  readonly connect: (signal: AbortSignal) => Promise<Session>
  readonly run: (session: Session, attempt: Attempt) => Promise<TreeReport>
}

const PROGRESS_EVERY_MS = 500
const PAUSES_MS = [250, 500, 1000, 2000, 5000] as const
const LOST = ['ERR_AMST_CLOSED', 'ERR_AMST_PEER_LOST', 'ERR_AMST_TIMEOUT', 'ERR_AMST_UNREACHABLE']

/** Moves a tree, over as many sessions as it takes, and says how it went. */
export async function copy(copying: Copying, { json = false, retryFor }: Pick<CopyFlags, 'json' | 'retryFor'>): Promise<void> {
  using interruption = listenForInterruption()
  const { signal } = interruption
  const output = createOutput({ json, screen: process.stdout, env: process.env })
  using display = await createProgressDisplay(output)
  const startedMs = performance.now()
  display.begin(copying.title)
  try {
    const report = await untilItHolds(copying, { signal, retryFor, output, display })
    display.end()
    tell(output, report, performance.now() - startedMs)
  } catch (error) {
    if (!isDwcpError(error, 'ERR_CLI_INTERRUPTED')) throw error
    throw cliError('ERR_CLI_INTERRUPTED', `${error.message}; run the same command again to go on where it was`)
  }
}

interface Course {
  readonly signal: AbortSignal
  readonly retryFor: number
  readonly output: Output
  readonly display: ProgressDisplay
}

async function untilItHolds(copying: Copying, course: Course): Promise<TreeReport> {
  const { signal, output, display } = course
  const onProgress = progressTo(output, display)
  let lost: unknown
  // Bounded by `retryFor`: a connection that cannot be had again for that long is given up.
  for (;;) {
    await using session = lost === undefined ? await copying.connect(signal) : await connectAgain(copying, course, lost)
    display.note('')
    try {
      return await copying.run(session, { signal, onProgress })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (!isLost(error)) throw error
      lost = error
      display.note('the connection is lost, trying again')
      output.record({ event: 'lost', code: error.code, message: error.message })
    }
  }
}

async function connectAgain({ connect }: Copying, { signal, retryFor }: Course, reason: unknown): Promise<Session> {
  const lostMs = performance.now()
  for (let tries = 0; performance.now() - lostMs < retryFor; tries += 1) {
    await setTimeout(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)], undefined, { signal }).catch(() => undefined)
    signal.throwIfAborted()
    try {
      return await connect(signal)
    } catch (error) {
      if (!isLost(error)) throw error
    }
  }
  throw reason
}

const isLost = (error: unknown): error is Error & { readonly code: string } => isDwcpError(error) && LOST.includes(error.code)

function progressTo(output: Output, display: ProgressDisplay): (progress: TreeProgress) => void {
  let toldMs = 0
  return (progress) => {
    display.amount(progress.bytesDone, progress.bytes, progress.bytesMoved)
    const nowMs = performance.now()
    if (nowMs - toldMs < PROGRESS_EVERY_MS) return
    toldMs = nowMs
    output.record({ event: 'progress', ...progress })
  }
}

function tell(output: Output, report: TreeReport, totalMs: number): void {
  const { red } = output.palette
  for (const { path, code } of report.failures) output.line(`${red('failed')}  ${path}  ${code}`)
  output.line(reportText(report, totalMs))
  output.record({ ...report, totalMs })
  if (report.failed > 0) process.exitCode = EXIT.failed
}
