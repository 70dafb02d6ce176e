import { open, readFile, writeFile } from 'node:fs/promises'
import { cliError } from '../errors.js'
import type { Output } from '../output.js'

const INPUT_BYTES_MAX = 16 << 20

/** All of a file, or with `-` of standard input; 16 MiB at most. @throws `ERR_CLI_USAGE` */
export async function readText(path: string, name: string): Promise<string> {
  try {
    return path === '-' ? await readInput() : await readBounded(path)
  } catch (cause) {
    throw cliError('ERR_CLI_USAGE', `${name} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

/** To a file, or where none is named to standard output; with `--json` it is part of the record instead. */
export async function writeText(text: string, path: string | undefined, output: Output): Promise<void> {
  if (path !== undefined) await writeFile(path, text)
  else output.line(text.trimEnd())
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size > INPUT_BYTES_MAX) throw tooLong()
    return await readFile(file, 'utf8')
  } finally {
    await file.close()
  }
}

async function readInput(): Promise<string> {
  const parts: Buffer[] = []
  let lengthBytes = 0
  for await (const part of process.stdin) {
    const bytes = Buffer.from(part)
    lengthBytes += bytes.byteLength
    if (lengthBytes > INPUT_BYTES_MAX) throw tooLong()
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString('utf8')
}

const tooLong = (): Error => new RangeError(`it is longer than ${INPUT_BYTES_MAX} bytes`)
