import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { randomBytes } from '../../harness/data.js'
import { memoryFolder } from '../../harness/memory-folder.js'
import type { Case, Contender } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { SEED } from '../transport/carrier.js'
import { certificatesFor } from '../transport/certificates.js'
import { ending, fileCopiers } from './file-servers.js'
import { inLab } from './in-lab.js'

const DWCP = join(dirname(createRequire(import.meta.url).resolve('@dwcp/cli/package.json')), 'dist', 'main.js')
const FILE_BYTES = 10_000
const FILES_PER_DIRECTORY = 100

/** Many small files that the other side does not have, by whole commands as they are typed, into memory. */
export function treesCase(name: string, link: WanSettings): Case {
  return {
    name,
    metrics: [{ name: 'whole command', unit: 's', better: 'lower', exact: false }],
    runs: 5,
    open: (context) =>
      inLab(link, context, async (lab, hold) => {
        const files = context.short ? 300 : 10_000
        const root = await mkdtemp(join(await memoryFolder(), 'dwcp-trees-'))
        hold({ [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) })
        const [from, to] = [join(root, 'from'), join(root, 'to')]
        await plant(from, files)
        await mkdir(to)
        let runs = 0
        const timed = async (command: (into: string) => readonly string[]): Promise<{ 'whole command': number }> => {
          runs += 1
          const into = `run${runs}`
          const startMs = performance.now()
          await lab.exec('a', command(into))
          const seconds = (performance.now() - startMs) / 1000
          const arrived = await count(join(to, into))
          if (arrived !== files) throw new Error(`${arrived} of ${files} files arrived`)
          await rm(join(to, into), { recursive: true })
          return { 'whole command': seconds }
        }
        const ours = await serveDwcp(lab, root, to)
        hold(ending(ours.child))
        const contenders: Contender[] = [
          { name: 'dwcp send, TLS', ours: true, run: () => timed((into) => [...ours.send, `${from}/`, `${ours.at}/${into}`]) },
        ]
        for (const copier of await fileCopiers(lab, root, to, hold, context))
          contenders.push({ name: copier.name, ours: false, run: () => timed((into) => copier.copy(from, into)) })
        return { bytes: files * FILE_BYTES, contenders }
      }),
  }
}

async function plant(root: string, files: number): Promise<void> {
  for (let first = 0; first < files; first += FILES_PER_DIRECTORY) {
    const directory = join(root, `d${first / FILES_PER_DIRECTORY}`)
    await mkdir(directory, { recursive: true })
    for (let one = first; one < Math.min(files, first + FILES_PER_DIRECTORY); one += 1)
      await writeFile(join(directory, `f${one}`), randomBytes(SEED + one, FILE_BYTES))
  }
}

async function count(root: string): Promise<number> {
  const names = await readdir(root, { recursive: true })
  const found = await Promise.all(names.map((name) => stat(join(root, name))))
  return found.filter((one) => one.isFile() && one.size === FILE_BYTES).length
}

interface Served {
  readonly child: ChildProcess
  readonly at: string
  /** The command, up to what is sent. */
  readonly send: readonly string[]
}

async function serveDwcp(lab: WanLab, root: string, to: string): Promise<Served> {
  const certificates = await certificatesFor(['sender', 'receiver'])
  const flags: Record<string, string[]> = {}
  for (const [name, { key, cert, ca }] of certificates) {
    const files = { key: join(root, `${name}.key`), cert: join(root, `${name}.pem`), ca: join(root, `${name}-ca.pem`) }
    await writeFile(files.key, key, { mode: 0o600 })
    await writeFile(files.cert, cert)
    await writeFile(files.ca, ca)
    flags[name] = ['--tls-key', files.key, '--tls-cert', files.cert, '--tls-ca', files.ca]
  }
  const host = lab.address('b')
  const serving = [process.execPath, DWCP, 'serve', '--dir', to, '--host', host, '--port', '0', '--json', ...(flags['receiver'] ?? [])]
  const child = lab.spawn('b', serving, { stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.stdout === null) throw new TypeError('the server has no output')
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { address } = JSON.parse(line)
  return { child, at: `dwcp://${host}:${address.port}`, send: [process.execPath, DWCP, 'send', ...(flags['sender'] ?? [])] }
}
