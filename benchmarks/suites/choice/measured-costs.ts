import { appendFile, readFile, rm, writeFile } from 'node:fs/promises'
import { PAGE_FEATURES, PAGE_METHODS } from '@dwcp/hde/choice'
import { isPresent } from '../../corpora/corpora-folder.js'
import { costsOf, type RegionCosts } from './cost-table.js'
import type { Region } from './regions.js'

/** What must not change while costs are being measured, or those before and those after would not belong together. */
export interface Setting {
  readonly machine: string
  readonly repeats: number
}

/**
 * Costs of all regions. Each is kept in `path` as soon as it is measured, a line of JSON after a line that says of what, so that a run
 * that was ended is taken up where it was.
 *
 * @param again - Forget what is there.
 */
export async function measuredCosts(
  path: string,
  regions: readonly Region[],
  { setting, again, note }: { readonly setting: Setting; readonly again: boolean; readonly note: (text: string) => void },
): Promise<readonly RegionCosts[]> {
  const head = JSON.stringify({ ...setting, methods: PAGE_METHODS, features: PAGE_FEATURES })
  if (again) await rm(path, { force: true })
  const costs = [...(await kept(path, head, regions))]
  if (costs.length === 0) await writeFile(path, `${head}\n`)
  else note(`${costs.length} of ${regions.length} regions were measured before`)
  for (const region of regions.slice(costs.length)) {
    const measured = await costsOf(region, setting.repeats)
    await appendFile(path, `${JSON.stringify(measured)}\n`)
    costs.push(measured)
    if (costs.length % 10 === 0) note(`measured ${costs.length} of ${regions.length} regions`)
  }
  return costs
}

/** Up to the first that does not belong to its region: a line that was cut off, or data that is no longer the same. */
async function kept(path: string, head: string, regions: readonly Region[]): Promise<readonly RegionCosts[]> {
  if (!(await isPresent(path))) return []
  const [first, ...lines] = (await readFile(path, 'utf8')).split('\n')
  if (first !== head) return []
  const costs: RegionCosts[] = []
  for (const [at, line] of lines.entries()) {
    const region = regions[at]
    const found = line.endsWith('}') ? parse(line) : undefined
    if (region === undefined || found?.group !== region.group || found.payloadBytes !== region.pages.length) break
    costs.push(found)
  }
  // What follows is measured again, behind these.
  await writeFile(path, [head, ...costs.map((each) => JSON.stringify(each)), ''].join('\n'))
  return costs
}

function parse(line: string): RegionCosts {
  return JSON.parse(line)
}
