// The lines that ran outside vitest's own processes: worker threads and child processes that the tests start run the built
// files, and V8 writes what ran there (NODE_V8_COVERAGE). Source maps lead from there back to the sources.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readJson, root } from './workspace.mjs'

/**
 * Reads every report in a folder of V8's.
 *
 * @param {string} folder
 * @returns {Map<string, Set<number>>} by source file: its lines, from 1, of which something ran
 */
export function linesRunElsewhere(folder) {
  const lines = new Map()
  for (const [file, ran] of offsetsRun(folder)) {
    if (existsSync(`${file}.map`)) markLines(file, ran, lines)
  }
  return lines
}

/** By built file: for each offset 1 where it ran in any process, else 0. */
function offsetsRun(folder) {
  const byFile = new Map()
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    for (const { url, functions } of readReport(join(folder, name))) {
      if (!isBuiltFile(url)) continue
      const file = fileURLToPath(url)
      const lengthBytes = readFileSync(file, 'utf8').length
      const here = new Uint8Array(lengthBytes)
      // V8 lists outer ranges before the inner ones that correct them.
      for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
        here.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      }
      const ran = byFile.get(file) ?? byFile.set(file, new Uint8Array(lengthBytes)).get(file)
      for (let offset = 0; offset < lengthBytes; offset += 1) ran[offset] |= here[offset]
    }
  }
  return byFile
}

/** A process that was killed while it wrote leaves half a report, which says nothing. */
function readReport(path) {
  try {
    return readJson(path).result
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

function isBuiltFile(url) {
  if (!url.startsWith('file:')) return false
  const path = fileURLToPath(url)
  return path.startsWith(join(root, 'packages') + sep) && path.includes(`${sep}dist${sep}`) && existsSync(path)
}

/** Takes over each place of the built file that ran and at which the source map begins a new piece of source. */
function markLines(file, ran, lines) {
  const map = new SourceMap(readJson(`${file}.map`))
  let offset = 0
  for (const [line, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    for (let column = 0; column < text.length; column += 1) {
      if (ran[offset + column] === 0) continue
      const { generatedLine, generatedColumn, originalSource, originalLine } = map.findEntry(line, column)
      if (generatedLine !== line || generatedColumn !== column) continue
      const source = resolve(dirname(file), originalSource)
      const found = lines.get(source) ?? lines.set(source, new Set()).get(source)
      found.add(originalLine + 1)
    }
    offset += text.length + 1
  }
}
