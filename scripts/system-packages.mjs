// The Debian packages that make things faster or possible, and what we go without where one is missing. Nothing here is
// needed to run: every native kernel has a JavaScript twin.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const ALWAYS = ['start', 'test', 'bench']
const LABS = ['test', 'bench']

const PACKAGES = [
  {
    name: 'build-essential',
    for: ALWAYS,
    present: () => onPath('g++') && onPath('make'),
    without: 'the native addon: JavaScript codecs and hashes, no dirty-page tracking by the kernel',
  },
  { name: 'python3', for: ALWAYS, present: () => onPath('python3'), without: 'the native addon (node-gyp runs on it)' },
  { name: 'libzstd-dev', for: ALWAYS, present: () => existsSync('/usr/include/zstd.h'), without: 'native zstd' },
  { name: 'liblz4-dev', for: ALWAYS, present: () => existsSync('/usr/include/lz4.h'), without: 'native LZ4' },
  { name: 'libxxhash-dev', for: ALWAYS, present: () => existsSync('/usr/include/xxhash.h'), without: 'native XXH3' },
  {
    name: 'libipsec-mb1',
    for: ALWAYS,
    present: () => process.arch !== 'x64' || existsSync('/usr/lib/x86_64-linux-gnu/libIPSec_MB.so.1'),
    without: 'AES-GCM by VAES: OpenSSL ciphers',
  },
  { name: 'iproute2', for: LABS, present: () => onPath('ip'), without: 'the WAN lab' },
  { name: 'openssh-server', for: ['test'], present: () => existsSync('/usr/sbin/sshd'), without: 'the tests of transfers over ssh' },
  { name: 'iperf3', for: ['bench'], present: () => onPath('iperf3'), without: 'the comparison with iperf3' },
  { name: 'zstd', for: ['bench'], present: () => onPath('zstd'), without: 'the comparison with zstd --patch-from' },
  ...['lz4', 'xdelta3', 'bsdiff', 'rsync', 'rclone', 'restic', 'casync'].map((name) => ({
    name,
    for: ['bench'],
    present: () => onPath(name),
    without: `the comparison with ${name}`,
  })),
  { name: 'borgbackup', for: ['bench'], present: () => onPath('borg'), without: 'the comparison with borg' },
]

/**
 * Installs what is missing for a purpose by apt where this is Debian and we are root, and says what is gone without. Never
 * fails: everything works without these, only slower or with less.
 *
 * @param {string} purpose
 */
export function installSystemPackages(purpose) {
  const wanted = PACKAGES.filter((one) => one.for.includes(purpose))
  const missing = wanted.filter((one) => !one.present())
  if (missing.length === 0) return
  const names = missing.map((one) => one.name)
  const obstacle = whyNotApt(names)
  if (obstacle === undefined) aptInstall(names)
  const gone = missing.filter((one) => !one.present())
  for (const one of gone) console.log(`setup: ${one.name} is not here: going without ${one.without}`)
  if (gone.length > 0 && obstacle !== undefined) console.log(`setup: not installing them: ${obstacle}`)
}

function whyNotApt(names) {
  if (!isDebian()) return 'this is not Debian; install their like with your own package system'
  if (process.getuid?.() !== 0) return `not root; as root: apt-get install ${names.join(' ')}`
  return undefined
}

function isDebian() {
  if (!existsSync('/etc/os-release') || !onPath('apt-get')) return false
  return /^(ID|ID_LIKE)=.*\bdebian\b/m.test(readFileSync('/etc/os-release', 'utf8'))
}

function aptInstall(names) {
  console.log(`setup: apt-get install ${names.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const patience = ['-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=1']
  for (const step of [['update'], ['install', '-y', '--no-install-recommends', ...names]]) {
    const { status, stderr } = spawnSync('apt-get', ['-qq', ...patience, ...step], { env, encoding: 'utf8' })
    if (status !== 0) console.log(`setup: apt-get ${step[0]} ended with ${status}: ${stderr?.trim()}`)
  }
}

function onPath(command) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, command)))
}
