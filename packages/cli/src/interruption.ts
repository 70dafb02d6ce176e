import { cliError } from './errors.js'

/** Turns the first SIGINT, SIGTERM or SIGHUP into an abort; the second one ends the process as if nobody listened. */
export interface Interruption extends Disposable {
  /** Its reason is `ERR_CLI_INTERRUPTED`. */
  readonly signal: AbortSignal
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function listenForInterruption(): Interruption {
  const controller = new AbortController()
  const stopListening = (): void => {
    for (const name of SIGNALS) process.off(name, interrupt)
  }
  const interrupt = (name: NodeJS.Signals): void => {
    stopListening()
    controller.abort(cliError('ERR_CLI_INTERRUPTED', `interrupted by ${name}`))
  }
  for (const name of SIGNALS) process.on(name, interrupt)
  return { signal: controller.signal, [Symbol.dispose]: stopListening }
}
