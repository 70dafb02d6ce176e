import { createDeltaDecoder, joinedBase } from '@dwcp/core/delta'
import { listenForInterruption } from '../interruption.js'
import { createOutput } from '../output.js'
import { createProgressDisplay } from '../progress-display.js'
import { formatByteRate, formatBytes, formatDuration } from '../units.js'
import type { DecodeFlags } from './delta-command.js'
import { openBases } from './open-bases.js'
import { openParts, reportScreen } from './streams.js'
import { writeWhole } from './whole-file.js'

export async function decodeFile(
  path: string,
  { base: paths, output: outputPath, force = false, json = false }: DecodeFlags,
): Promise<void> {
  const screen = reportScreen(outputPath)
  const output = createOutput({ json, screen, env: process.env })
  using interruption = listenForInterruption()
  using display = await createProgressDisplay(output, screen)
  await using base = joinedBase(await openBases(paths))
  const startedMs = performance.now()
  display.begin(outputPath)
  let rawBytes = 0
  const onProgress = (progress: { readonly rawBytes: number; readonly targetBytes: number | undefined }): void => {
    rawBytes = progress.rawBytes
    display.amount(progress.rawBytes, progress.targetBytes)
  }
  const frames = await openParts(path)
  await writeWhole(outputPath, createDeltaDecoder().decode(frames, { base, signal: interruption.signal, onProgress }), { force })
  display.end()
  const totalMs = performance.now() - startedMs
  output.line(`${formatBytes(rawBytes)} written and verified in ${formatDuration(totalMs)}, ${formatByteRate((rawBytes * 1000) / totalMs)}`)
  output.record({ rawBytes, totalMs, verified: true, output: outputPath })
}
