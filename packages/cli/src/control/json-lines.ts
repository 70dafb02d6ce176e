import type { Readable } from 'node:stream'
import { cliError } from '../errors.js'

const NEWLINE = 0x0a

/**
 * One value for each line of `stream`, which stays open whatever comes. A line is refused before it is longer than `maxLineBytes` in memory.
 *
 * @throws `ERR_CLI_CONTROL` for a line that is too long or not JSON.
 */
export async function* readJsonLines(stream: Readable, maxLineBytes: number): AsyncGenerator<unknown, void, undefined> {
  let parts: Buffer[] = []
  let heldBytes = 0
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    let rest = Buffer.from(chunk)
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      if (heldBytes + end > maxLineBytes) throw tooLong(maxLineBytes)
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8')
      parts = []
      heldBytes = 0
      rest = rest.subarray(end + 1)
      if (line.trim() !== '') yield parse(line)
    }
    heldBytes += rest.length
    if (heldBytes > maxLineBytes) throw tooLong(maxLineBytes)
    if (rest.length > 0) parts.push(rest)
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw cliError('ERR_CLI_CONTROL', `a line that is not JSON: ${line.slice(0, 80)}`, cause)
  }
}

function tooLong(maxLineBytes: number): Error {
  return cliError('ERR_CLI_CONTROL', `a line of more than ${maxLineBytes} bytes; end each JSON object with a newline`)
}
