import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadAddon } from '../src/addon.ts'
import { say } from './implementations.ts'
import { sanitizedCore } from './sanitized.ts'

const folder = mkdtempSync(join(tmpdir(), 'dwcp-core-'))
const isCi = process.env['CI'] === 'true'

const core = sanitizedCore(folder)

afterAll(() => rmSync(folder, { recursive: true }))

/** What the program wrote; nothing where it cannot be built, which fails in CI. */
function run(name: string, args: readonly string[] = []): string {
  if ('link' in core) return execFileSync(core.link(name), args, { encoding: 'utf8' })
  say(`NOT TESTED UNDER SANITIZERS: ${name}: ${core.problem}`)
  expect(isCi ? core.problem : '').toBe('')
  return ''
}

test('the native core holds under AddressSanitizer and UndefinedBehaviorSanitizer', { timeout: 120_000 }, () => {
  const output = run('core_test')
  if (output === '') return
  for (const part of [
    'library',
    'zstd',
    'lz4',
    'delta',
    'pages',
    'images',
    'hash',
    'blake3',
    'chunk',
    'socket',
    'stream',
    'seal',
    'memory',
  ]) {
    if (output.includes(`${part}: NOT TESTED`)) say(output)
    expect(output).toContain(`${part}: `)
  }
})

/** Over all native decoders. */
const mutations = Number(process.env['DWCP_MUTATIONS'] ?? 80_000)
const seed = process.env['DWCP_SEED'] ?? String(Date.now())

test('mutated input makes no native decoder crash, hang, or allocate past its limit', { timeout: 120_000 + mutations }, () => {
  const output = run('mutations_test', [String(mutations), seed])
  if (output === '') return
  if (mutations > 1_000_000) say(output)
  const seen = [...output.matchAll(/^(.+): (\d+) mutants, (\d+) decoded, (\d+) refused/gm)]
  expect(seen.map(([, name]) => name)).toContain('apply')
  // A mutant that nobody reads to its end is worth little: some of each decoder's must be read.
  for (const [line, , , decoded, refused] of seen) expect(Math.min(Number(decoded), Number(refused)), line).toBeGreaterThan(0)
})

test('in CI the addon is there', () => {
  expect(isCi && 'problem' in loadAddon()).toBe(false)
})
