import { randomUUID } from 'node:crypto'
import { access, mkdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { BENCHMARKS } from '../harness/results.js'

/** Where the corpora are built, and found the next time; `DWCP_CORPORA` says where else. About 1.4 GB with the guests' memory. */
export const CORPORA_FOLDER: string = resolve(process.env['DWCP_CORPORA'] ?? join(BENCHMARKS, '..', 'node_modules/.cache/dwcp-corpora'))

/** What this machine cannot build: no network, no Debian, no such version any more. */
export class CorpusAbsent extends Error {}

export async function isPresent(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** The path of `name` in the corpora; `build` writes it, into a file that gets its name when it is whole. */
export async function corpusFile(name: string, build: (path: string) => Promise<void>): Promise<string> {
  const path = join(CORPORA_FOLDER, name)
  if (await isPresent(path)) return path
  await mkdir(resolve(path, '..'), { recursive: true })
  const unfinished = `${path}.${process.pid}`
  try {
    await build(unfinished)
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
  return path
}

/** A folder for what is needed only while `use` runs. */
export async function withScratch<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = join(CORPORA_FOLDER, `scratch-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
