import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import asc from 'assemblyscript/asc'
import { expect, test } from 'vitest'
import { createWasmDriver } from '../src/index.ts'
import { move } from './carry.ts'

const page = await readFile(new URL('../../../docs/wasm-abi.md', import.meta.url), 'utf8')

function block(language: string): string {
  const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/wasm-abi.md has no ${language} block`)
  return found
}

test('the module written by hand runs, and its hidden global moves', async () => {
  const fromCompiler = createRequire(createRequire(import.meta.url).resolve('assemblyscript/asc'))
  const { default: binaryen } = await import(pathToFileURL(fromCompiler.resolve('binaryen')).href)
  const module = new Uint8Array(binaryen.parseText(block('wat')).emitBinary())
  const driver = createWasmDriver()
  const source = await driver.run({ id: 'counter', module })
  await source.start()
  const payload = new Uint8Array(0)
  const count = (reply: Uint8Array) => new DataView(reply.buffer, reply.byteOffset).getBigUint64(0, true)
  const before = count(await source.request({ client: 'a', sequence: 1, payload }))
  const workload = await move(source, driver)
  expect(count(await workload.request({ client: 'a', sequence: 2, payload }))).toBeGreaterThan(before)
  await workload.close()
})

test('the AssemblyScript example compiles as the page says, and goes on counting after a move', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-abi-'))
  try {
    await writeFile(join(folder, 'echo.ts'), block('ts'))
    const arguments_ = ['echo.ts', '-O3', '--runtime', 'incremental', '--use', 'abort=echo/abort', '-o', 'echo.wasm', '--baseDir', folder]
    const { error } = await asc.main(arguments_, {})
    expect(error).toBeNull()
    const driver = createWasmDriver()
    const source = await driver.run({ id: 'echo', module: new Uint8Array(await readFile(join(folder, 'echo.wasm'))) })
    await source.start()
    const payload = new TextEncoder().encode('word')
    const long = new TextEncoder().encode('x'.repeat(5000))
    await source.request({ client: 'a', sequence: 1, payload })
    await source.request({ client: 'b', sequence: 1, payload: long })
    const workload = await move(source, driver)
    expect(new TextDecoder().decode(await workload.request({ client: 'a', sequence: 2, payload }))).toBe('word × 2')
    expect(new TextDecoder().decode(await workload.request({ client: 'b', sequence: 2, payload: long }))).toBe(`${'x'.repeat(5000)} × 2`)
    await workload.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})
