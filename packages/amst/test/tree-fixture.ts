import { createHash } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  type AmstLimits,
  connect,
  listen,
  openTreeDirectory,
  type ServedTree,
  type Session,
  type TreeDirectoryOptions,
} from '../src/index.ts'

/** What a tree is made of, for `plant`. Links are to paths in it. */
export type Plant =
  | { readonly kind: 'file'; readonly bytes: Uint8Array; readonly mode?: number; readonly seconds?: number }
  | { readonly kind: 'directory'; readonly mode?: number; readonly seconds?: number; readonly inside: ReadonlyMap<string, Plant> }
  | { readonly kind: 'symlink'; readonly target: Buffer; readonly seconds?: number }
  | { readonly kind: 'link'; readonly to: string }

/** A new directory, gone after the test. */
export function ground(): string {
  const path = mkdtempSync(join(tmpdir(), 'dwcp-tree-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Names are latin1, one letter a byte. */
export const at = (directory: Buffer | string, name: string): Buffer =>
  Buffer.concat([Buffer.from(directory), Buffer.from('/'), Buffer.from(name, 'latin1')])

export function plant(directory: Buffer | string, name: string, what: Plant): void {
  const path = at(directory, name)
  if (what.kind === 'file') {
    writeFileSync(path, what.bytes)
    utimesSync(path, what.seconds ?? 1e9, what.seconds ?? 1e9)
    chmodSync(path, what.mode ?? 0o644)
  } else if (what.kind === 'directory') {
    mkdirSync(path)
    for (const [inner, one] of what.inside) plant(path, inner, one)
    utimesSync(path, what.seconds ?? 1e9, what.seconds ?? 1e9)
    chmodSync(path, what.mode ?? 0o755)
  } else if (what.kind === 'symlink') {
    symlinkSync(what.target, path)
    lutimesSync(path, what.seconds ?? 1e9, what.seconds ?? 1e9)
  } else linkSync(at(directory, what.to), path)
}

/** Everything that a tree must carry, one line for each thing; files that are one are told by the first of their names. */
export function listing(directory: Buffer | string): readonly string[] {
  const seen = new Map<bigint, string>()
  const lines: string[] = []
  const list = (folder: Buffer, prefix: string): void => {
    for (const name of readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare)) {
      if (name.toString() === '.dwcp') continue
      const path = Buffer.concat([folder, Buffer.from('/'), name])
      const found = lstatSync(path, { bigint: true })
      const shown = `${prefix}${name.toString('latin1')}`
      const time = found.mtimeNs / 1000n
      const mode = (found.mode & 0o777n).toString(8)
      if (found.isDirectory()) {
        lines.push(`${shown}/ ${mode} ${time}`)
        list(path, `${shown}/`)
      } else if (found.isSymbolicLink()) lines.push(`${shown} -> ${readlinkSync(path, { encoding: 'latin1' })} ${time}`)
      else {
        const first = seen.get(found.ino)
        if (found.nlink > 1n && first === undefined) seen.set(found.ino, shown)
        lines.push(
          `${shown} ${mode} ${time} ${first === undefined ? createHash('sha256').update(readFileSync(path)).digest('hex') : `= ${first}`} ${found.size}`,
        )
      }
    }
  }
  list(Buffer.from(directory), '')
  return lines
}

export interface Served {
  readonly directory: string
  readonly trees: readonly ServedTree[]
  call(options?: { readonly limits?: Partial<AmstLimits> }): Promise<Session>
  close(): Promise<void>
}

/** A directory that is served until the end of the test. */
export async function serve(directory: string, options: TreeDirectoryOptions = {}): Promise<Served> {
  const opened = await openTreeDirectory(directory, options)
  const server = await listen({ nodeId: 'b', plaintext: true })
  const trees: ServedTree[] = []
  const serving: Promise<void>[] = []
  void (async () => {
    for await (const session of server) serving.push(opened.serve(session, (tree) => trees.push(tree)))
  })()
  let isClosed = false
  const close = async (): Promise<void> => {
    if (isClosed) return
    isClosed = true
    server.destroy()
    await Promise.all(serving)
    await opened[Symbol.asyncDispose]()
  }
  onTestFinished(close)
  return {
    directory,
    trees,
    close,
    async call({ limits = {} } = {}) {
      const session = await connect(server.address, { nodeId: 'a', plaintext: true, limits })
      onTestFinished(() => session.destroy())
      return session
    },
  }
}
