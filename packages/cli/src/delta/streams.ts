import { open } from 'node:fs/promises'
import { cliError } from '../errors.js'

/** The standard input or output, where a path is asked for. */
export const STANDARD_STREAM = '-'

const READ_BYTES = 1 << 20

/** What is in a file, in parts, or what comes over the standard input. */
export async function openParts(path: string): Promise<AsyncIterable<Uint8Array>> {
  return path === STANDARD_STREAM ? process.stdin : (await open(path)).createReadStream({ highWaterMark: READ_BYTES })
}

/** Where a command tells how it went: not where its output goes. */
export function reportScreen(outputPath: string): NodeJS.WriteStream {
  return outputPath === STANDARD_STREAM ? process.stderr : process.stdout
}

/** As fast as the reader takes it. */
export async function writeToStandardOutput(parts: AsyncIterable<Uint8Array>): Promise<void> {
  const { stdout } = process
  if (stdout.isTTY) throw cliError('ERR_CLI_USAGE', '-o -: the output is binary, and this is a terminal; redirect it')
  for await (const part of parts) {
    await new Promise<void>((resolve, reject) => stdout.write(part, (error) => (error ? reject(error) : resolve())))
  }
}
