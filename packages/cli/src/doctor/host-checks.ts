import { mkdtemp, open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { quantile } from '../quantile.js'
import { formatBytes, formatDuration } from '../units.js'
import { type Examination, missing, ok, warning } from './check.js'
import { hostCommand } from './host-command.js'

const OLDEST_NODE = { major: 20, minor: 19 }
/** QEMU before 9.0 can corrupt a guest’s RAM when it migrates under software emulation (fixed by 03bfc2188f06). */
const FIRST_GOOD_QEMU = 9
const SYNC_TRIES = 20
/** Of statfs, in hexadecimal: linux/magic.h. */
const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  ef53: 'ext4',
  '58465342': 'xfs',
  '9123683e': 'btrfs',
  '2fc12fc1': 'zfs',
  '794c7630': 'overlayfs',
  '1021994': 'tmpfs',
  '6969': 'nfs',
  f2f52010: 'f2fs',
  '65735546': 'fuse',
}

export const nodeCheck: Examination = {
  id: 'node',
  title: 'Node.js',
  needed: true,
  find: async () => {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
    const text = `${process.version}, ${process.platform} ${process.arch}`
    const { major: oldest, minor: oldestMinor } = OLDEST_NODE
    return major > oldest || (major === oldest && minor >= oldestMinor)
      ? ok(text)
      : missing(text, `install Node ${oldest}.${oldestMinor} or later`)
  },
}

export const toolChecks: readonly Examination[] = [
  {
    id: 'compiler',
    title: 'compiler',
    find: async () => {
      const found = await Promise.all(
        ['g++', 'make', 'python3'].map(async (tool) => ({ tool, answer: await hostCommand(tool, '--version') })),
      )
      const absent = found.filter(({ answer }) => answer === undefined).map(({ tool }) => tool)
      const version = found[0]?.answer?.stdout.split('\n', 1)[0] ?? ''
      return absent.length === 0
        ? ok(version)
        : missing(`${absent.join(', ')} not here`, 'only to build the addon: apt-get install build-essential python3')
    },
  },
  {
    id: 'qemu',
    title: 'QEMU',
    find: async () => {
      const answer = await hostCommand('qemu-system-x86_64', '--version')
      if (answer === undefined)
        return missing('qemu-system-x86_64 is not here', 'only for virtual machines: apt-get install qemu-system-x86, version 9.0 or later')
      return judgeQemu(answer.stdout)
    },
  },
]

export function judgeQemu(version: string): ReturnType<typeof ok> {
  const [text, major] = /version (\d+)[.\d]*/.exec(version) ?? []
  if (text === undefined) return warning(`it does not say its version: ${version.slice(0, 60)}`, 'install version 9.0 or later')
  if (Number(major) >= FIRST_GOOD_QEMU) return ok(text)
  return warning(
    `${text}: migration under software emulation (TCG) can corrupt the guest’s RAM without a word`,
    'use QEMU 9.0 or later (Debian 12: bookworm-backports), or real KVM',
  )
}

/** The file system that holds `directory`, or will, and how long it takes to make a write durable there. */
export function storageCheck(directory: string): Examination {
  return {
    id: 'storage',
    title: 'data directory',
    needed: true,
    find: async () => {
      const parent = await nearestExisting(directory)
      const scratch = await mkdtemp(join(parent, '.dwcp-doctor-'))
      try {
        const { type, bavail, bsize } = await statfs(scratch)
        const kind = FILE_SYSTEMS[type.toString(16)] ?? `file system 0x${type.toString(16)}`
        const syncMs = await syncLatency(join(scratch, 'probe'))
        const text = `${directory}: ${kind}, ${formatBytes(bavail * bsize)} free, fdatasync ${formatDuration(syncMs.p50)} (slowest of ${SYNC_TRIES}: ${formatDuration(syncMs.max)})`
        if (kind === 'tmpfs') return warning(text, 'a journal in memory does not outlive the host: choose a directory on a disk')
        return kind === 'nfs' ? warning(text, 'locks and durability of NFS depend on the server: choose a local disk') : ok(text)
      } finally {
        await rm(scratch, { recursive: true, force: true })
      }
    },
  }
}

async function nearestExisting(directory: string): Promise<string> {
  let folder = directory
  while (folder !== dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found !== undefined) return folder
    folder = dirname(folder)
  }
  return folder
}

async function syncLatency(path: string): Promise<{ readonly p50: number; readonly max: number }> {
  const file = await open(path, 'w')
  const tookMs: number[] = []
  try {
    for (let turn = 0; turn < SYNC_TRIES; turn++) {
      await file.write(new Uint8Array(4096).fill(turn))
      const startedMs = performance.now()
      await file.datasync()
      tookMs.push(performance.now() - startedMs)
    }
  } finally {
    await file.close()
  }
  tookMs.sort((x, y) => x - y)
  return { p50: quantile(tookMs, 0.5), max: tookMs.at(-1) ?? 0 }
}
