import { execFile } from 'node:child_process'
import { access, constants, readFile } from 'node:fs/promises'
import { arch, cpus, loadavg, release, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { codecBackend, loadHash, socketBackend, streamBackend } from '@dwcp/native-rdma'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly architecture: string
  readonly memoryBytes: number
  readonly kernel: string
  readonly system: string
  readonly node: string
  readonly openssl: string
  /** Load of the last minute before the run: what else this machine was doing. */
  readonly loadAverage: number
  /** Which implementation each capability of the addon used, and why. */
  readonly backends: Readonly<Record<string, string>>
  /** Programs compared with, by version; 'missing' where one is. */
  readonly tools: Readonly<Record<string, string>>
}

export async function describeMachine(tools: readonly string[]): Promise<Machine> {
  const processors = cpus()
  const { zstd, lz4 } = codecBackend()
  const hash = await loadHash()
  const name = ({ kind, reason }: { kind: string; reason: string }): string => `${kind} (${reason})`
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    architecture: arch(),
    memoryBytes: totalmem(),
    kernel: release(),
    system: await systemName(),
    node: process.version,
    openssl: process.versions.openssl,
    loadAverage: loadavg()[0] ?? 0,
    backends: {
      zstd: name(zstd),
      lz4: name(lz4),
      xxh3: name(hash.backend),
      sockets: name(socketBackend()),
      seal: name(streamBackend(true)),
    },
    tools: Object.fromEntries(await Promise.all(tools.map(async (tool) => [tool, (await toolVersion(tool)) ?? 'missing'] as const))),
  }
}

/** First line that the program prints about its version, or the package's where it prints none; undefined where it is not installed. */
export async function toolVersion(tool: string): Promise<string | undefined> {
  if (!(await isInstalled(tool))) return undefined
  try {
    const { stdout, stderr } = await promisify(execFile)(tool, ['--version'])
    return (stdout || stderr).trim().split('\n')[0]
  } catch {
    return packageVersion(tool)
  }
}

export async function isInstalled(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const found = await Promise.all(folders.map((folder) => executable(join(folder, program))))
  return found.includes(true)
}

function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function packageVersion(tool: string): Promise<string> {
  const shown = await promisify(execFile)('dpkg-query', ['--showformat', '${Package} ${Version}', '--show', tool]).catch(() => undefined)
  return shown?.stdout ?? `${tool}, version unknown`
}

async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? process.platform
}
