import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const native = join(import.meta.dirname, '../native')
const SANITIZERS = '-fsanitize=address,undefined'
const FLAGS = ['-std=c++20', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-fno-sanitize-recover=all', SANITIZERS]

/** Builds programs of native/test with the native core, or says why it cannot. */
export type SanitizedCore = { readonly link: (name: string) => string } | { readonly problem: string }

/** The core compiled once under AddressSanitizer and UndefinedBehaviorSanitizer; everything goes into `folder`. */
export function sanitizedCore(folder: string): SanitizedCore {
  const compiler = process.env['CXX'] ?? 'g++'
  const probe = ['-x', 'c++', '-std=c++20', SANITIZERS, '-', '-o', join(folder, 'probe')]
  const { error, status, stderr } = spawnSync(compiler, probe, { input: 'int main() {}', encoding: 'utf8' })
  if (status !== 0)
    return { problem: error ? `${compiler} cannot be run` : `${compiler} cannot link the sanitizers: ${stderr.slice(0, 300)}` }
  const sources = readdirSync(native).filter(
    (file) => file.endsWith('.cc') && !['addon.cc', 'addon_pages.cc', 'addon_stream.cc', 'job.cc'].includes(file),
  )
  const compile = (args: readonly string[], cwd: string): Buffer => execFileSync(compiler, [...FLAGS, ...args], { cwd, stdio: 'inherit' })
  compile(['-c', ...sources.map((source) => join(native, source))], folder)
  const objects = sources.map((source) => join(folder, source.replace('.cc', '.o')))
  return {
    link(name) {
      const program = join(folder, name)
      compile([`test/${name}.cc`, ...objects, '-ldl', '-o', program], native)
      return program
    },
  }
}
