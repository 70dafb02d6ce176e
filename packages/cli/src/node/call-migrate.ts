import type { MigrationProgress, MigrationReport } from '@dwcp/core'
import type { ControlCaller } from '../control/call.js'
import type { ControlArguments } from '../control/serve.js'
import { cliError } from '../errors.js'

/** Asks a node to migrate, and reads its events and its report. */
export async function callMigrate(
  caller: ControlCaller,
  order: { readonly args: ControlArguments; readonly signal: AbortSignal; readonly onProgress: (progress: MigrationProgress) => void },
): Promise<MigrationReport> {
  const { args, signal, onProgress } = order
  const report = await caller.call('migrate', args, { signal, onEvent: (event) => isProgress(event) && onProgress(event) })
  if (!isReport(report))
    throw cliError('ERR_CLI_CONTROL', 'the node answers in another version of this protocol: use the same version of dwcp on both sides')
  return report
}

function isProgress(event: unknown): event is MigrationProgress {
  return typeof event === 'object' && event !== null && 'phase' in event && 'round' in event && 'roundRawBytes' in event
}

function isReport(value: unknown): value is MigrationReport {
  return typeof value === 'object' && value !== null && 'rounds' in value && 'totalMs' in value && 'wireBytes' in value
}
