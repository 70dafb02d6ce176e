import type { TreeReport } from '@dwcp/core/transfer'
import { formatByteRate, formatBytes, formatDuration } from '../units.js'

/** What became of a tree, in one line. */
export function reportText({ files, movedFiles, movedBytes, failed }: TreeReport, totalMs: number): string {
  const there = files - movedFiles - failed
  const kept = there > 0 ? `, ${count(there)} there already` : ''
  const rest = failed > 0 ? `, ${failed} failed` : ''
  return `${count(movedFiles)}, ${formatBytes(movedBytes)} in ${formatDuration(totalMs)}, ${formatByteRate((movedBytes * 1000) / totalMs)}${kept}${rest}`
}

const count = (files: number): string => `${files} ${files === 1 ? 'file' : 'files'}`
