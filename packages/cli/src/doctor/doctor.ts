import { addonChecks } from './addon-checks.js'
import { type Check, examine } from './check.js'
import { nodeCheck, storageCheck, toolChecks } from './host-checks.js'
import { networkChecks } from './network-checks.js'

/** Looks at everything, one after the other, so that nothing disturbs what is measured. */
export async function examineHost(dataDirectory: string): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const each of [nodeCheck, ...addonChecks, ...networkChecks, ...toolChecks, storageCheck(dataDirectory)])
    checks.push(await examine(each))
  return checks
}

/** Whether everything that DWCP needs is there. */
export function isFit(checks: readonly Check[]): boolean {
  return checks.every(({ needed, status }) => !needed || status !== 'missing')
}
