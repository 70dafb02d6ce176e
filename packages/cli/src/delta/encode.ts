import { createDeltaEncoder, fileBase, joinedBase } from '@dwcp/core/delta'
import { listenForInterruption } from '../interruption.js'
import { createOutput } from '../output.js'
import { createProgressDisplay } from '../progress-display.js'
import { formatByteRate, formatBytes, formatDuration } from '../units.js'
import type { EncodeFlags } from './delta-command.js'
import { openBases } from './open-bases.js'
import { reportScreen, STANDARD_STREAM } from './streams.js'
import { writeWhole } from './whole-file.js'

export async function encodeFile(
  path: string,
  { base: paths, output: outputPath, level, force = false, json = false }: EncodeFlags,
): Promise<void> {
  const screen = reportScreen(outputPath)
  const output = createOutput({ json, screen, env: process.env })
  using interruption = listenForInterruption()
  using display = await createProgressDisplay(output, screen)
  await using file = path === STANDARD_STREAM ? undefined : await fileBase(path)
  await using base = joinedBase(await openBases(paths))
  const encoder = createDeltaEncoder({ level })
  const startedMs = performance.now()
  display.begin(path)
  const onProgress = ({ rawBytes }: { readonly rawBytes: number }): void => display.amount(rawBytes, file?.lengthBytes)
  await writeWhole(outputPath, encoder.encode(file ?? process.stdin, { base, signal: interruption.signal, onProgress }), { force })
  display.end()
  const totalMs = performance.now() - startedMs
  const { rawBytes, wireBytes, literalBytes, patchBytes } = encoder.stats()
  const ratio = wireBytes > 0 ? rawBytes / wireBytes : 1
  output.line(
    `${formatBytes(rawBytes)} became ${formatBytes(wireBytes)} (${ratio.toFixed(1)}:1) in ${formatDuration(totalMs)}, ${formatByteRate((rawBytes * 1000) / totalMs)}`,
  )
  output.record({ rawBytes, wireBytes, ratio, literalBytes, patchBytes, totalMs, level, output: outputPath })
}
