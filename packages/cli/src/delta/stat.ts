import { inspectDelta } from '@dwcp/core/delta'
import { createOutput } from '../output.js'
import { formatTable } from '../table.js'
import { formatBytes } from '../units.js'
import type { StatFlags } from './delta-command.js'
import { openParts } from './streams.js'

const TITLES = {
  literals: 'literals',
  literalLengths: 'literal lengths',
  copyLengths: 'copy lengths',
  shifts: 'copy sources',
  patchGaps: 'patch places',
  patchValues: 'patch values',
} as const

export async function statFile(path: string, { json = false }: StatFlags): Promise<void> {
  const output = createOutput({ json, screen: process.stdout, env: process.env })
  const summary = await inspectDelta(await openParts(path))
  const { baseBytes, baseHash, targetBytes, wireBytes, blocks, streams } = summary
  output.line(`${formatBytes(targetBytes)} in ${formatBytes(wireBytes)}, ${blocks} ${blocks === 1 ? 'block' : 'blocks'}`)
  output.line(baseBytes === 0 ? 'needs no base' : `needs a base of ${baseBytes} bytes, XXH3-128 ${baseHash}`)
  const rows = (['literals', 'literalLengths', 'copyLengths', 'shifts', 'patchGaps', 'patchValues'] as const).map((name) => [
    TITLES[name],
    formatBytes(streams[name].rawBytes),
    formatBytes(streams[name].packedBytes),
  ])
  const columns = [{ title: 'what' }, { title: 'plain', align: 'right' }, { title: 'packed', align: 'right' }] as const
  for (const line of formatTable(columns, rows)) output.line(`  ${line}`)
  output.record(summary)
}
