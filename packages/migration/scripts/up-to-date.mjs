// Whether every output is there and newer than every input: files, or folders with all they hold.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export function upToDate(inputs, outputs) {
  const files = inputs.flatMap((input) =>
    statSync(input).isDirectory() ? readdirSync(input, { recursive: true }).map((name) => join(input, name)) : [input],
  )
  const newest = Math.max(...files.map((file) => statSync(file).mtimeMs))
  return outputs.every((output) => existsSync(output) && statSync(output).mtimeMs >= newest)
}
