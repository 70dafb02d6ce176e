import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import { onTestFinished } from 'vitest'

const here = fileURLToPath(new URL('..', import.meta.url))

/** A program for a process of its own, from a file of this package or from a text. */
export async function bundled(source: string): Promise<string> {
  const folder = await mkdtemp(`${here}node_modules/.security-test-`)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const isFile = source.endsWith('.ts')
  if (!isFile) await writeFile(`${folder}/program.ts`, source)
  await build({
    entry: { program: isFile ? `${here}${source}` : `${folder}/program.ts` },
    config: false,
    format: 'esm',
    outDir: folder,
    outExtension: () => ({ js: '.mjs' }),
    noExternal: [/^@dwcp/],
    target: 'node20',
    silent: true,
    esbuildOptions: (options) => {
      options.conditions = ['@dwcp/source', 'import', 'default']
    },
  })
  return `${folder}/program.mjs`
}
