import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadAddon } from '../src/addon.ts'
import { say } from './implementations.ts'

const native = join(import.meta.dirname, '../native')
const folder = mkdtempSync(join(tmpdir(), 'dwcp-core-'))
const isCi = process.env['CI'] === 'true'

afterAll(() => rmSync(folder, { recursive: true }))

/** A compiler that links the sanitizers, or why there is none. */
function findCompiler(): { readonly compiler: string } | { readonly problem: string } {
  const compiler = process.env['CXX'] ?? 'g++'
  const args = ['-x', 'c++', '-std=c++20', '-fsanitize=address,undefined', '-', '-o', join(folder, 'probe')]
  const { error, status, stderr } = spawnSync(compiler, args, { input: 'int main() {}', encoding: 'utf8' })
  if (status === 0) return { compiler }
  return { problem: error ? `${compiler} cannot be run` : `${compiler} cannot link the sanitizers: ${stderr.slice(0, 300)}` }
}

test('the native core holds under AddressSanitizer and UndefinedBehaviorSanitizer', { timeout: 120_000 }, () => {
  const found = findCompiler()
  if ('problem' in found) {
    say(`THE NATIVE CORE IS NOT TESTED UNDER SANITIZERS: ${found.problem}`)
    expect(isCi ? found.problem : '').toBe('')
    return
  }
  const sources = readdirSync(native).filter((name) => name.endsWith('.cc') && !['addon.cc', 'job.cc'].includes(name))
  const program = join(folder, 'core_test')
  const flags = ['-std=c++20', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-fno-sanitize-recover=all', '-fsanitize=address,undefined']
  execFileSync(found.compiler, [...flags, 'test/core_test.cc', ...sources, '-ldl', '-o', program], { cwd: native, stdio: 'inherit' })
  const output = execFileSync(program, { encoding: 'utf8' })
  for (const part of ['library', 'zstd', 'lz4', 'pages', 'hash', 'socket', 'memory']) {
    if (output.includes(`${part}: NOT TESTED`)) say(output)
    expect(output).toContain(`${part}: `)
  }
})

test('in CI the addon is there', () => {
  expect(isCi && 'problem' in loadAddon()).toBe(false)
})
