// Builds the addon against the headers beside the running node where it ships them, so that nothing is downloaded.
// Without a compiler it says what is gone without and succeeds: every capability has a JavaScript path.
// `--prebuild`: writes prebuilds/<platform>-<arch>/ for the package instead, and then a missing compiler is a failure.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const prebuild = process.argv.includes('--prebuild')
const resolveModule = createRequire(import.meta.url).resolve
const addon = join(root, 'build/Release/dwcp_native.node')
const stamp = join(root, 'build/Release/dwcp_native.stamp')

function goWithout(reason) {
  console.warn(`@dwcp/native-rdma: the addon is not built: ${reason}`)
  console.warn(
    '  gone without: zstd encoding on Node < 22.15, fast zstd, LZ4 and XXH3, socket tuning and TCP_INFO, userfaultfd page tracking',
  )
  console.warn('  the JavaScript paths serve instead; on Debian: apt-get install build-essential python3, then build again')
  process.exit(prebuild ? 1 : 0)
}

function locate(module) {
  try {
    return resolveModule(module)
  } catch {
    return goWithout(`${module.split('/', 1)[0]} is not installed`)
  }
}

function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

// Everything that the binary depends on; the addon is ABI-stable, so the version of node is no part of it.
const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
for (const name of ['binding.gyp', ...readdirSync(join(root, 'native')).map((file) => join('native', file))].sort()) {
  if (/\.(gyp|cc|h)$/.test(name)) hash.update(name).update(readFileSync(join(root, name)))
}
const fingerprint = hash.digest('hex')

function isUpToDate() {
  return !prebuild && existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint
}

// One build at a time: two in one folder delete each other's files.
function lock() {
  const file = join(root, 'node_modules/.dwcp-native.lock')
  mkdirSync(dirname(file), { recursive: true })
  for (let waitedMs = 0; waitedMs < 300_000; waitedMs += 200) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      process.on('exit', () => rmSync(file, { force: true }))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      if (isUpToDate()) process.exit(0)
      if (!isRunning(file)) rmSync(file, { force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
  throw new Error(`another build has held ${file} for 5 minutes`)
}

function isRunning(file) {
  try {
    // Empty for a moment while its owner writes it: counts as running.
    const pid = Number(readFileSync(file, 'utf8'))
    return pid === 0 || process.kill(pid, 0)
  } catch {
    return false
  }
}

if (isUpToDate()) process.exit(0)

if (process.platform === 'win32') goWithout('it is written for Linux and macOS')
if (!runs(process.env.CXX ?? 'c++') && !runs('g++')) goWithout('no C++ compiler')
if (!runs('make')) goWithout('no make')
if (!runs(process.env.PYTHON ?? 'python3')) goWithout('no python3, which node-gyp needs')

lock()
if (isUpToDate()) process.exit(0)
const prefix = resolve(process.execPath, '../..')
const hasHeaders = existsSync(join(prefix, 'include/node/node_api.h'))
const env = hasHeaders ? { ...process.env, npm_config_nodedir: prefix } : process.env
const gyp = locate('node-gyp/bin/node-gyp.js')
const command = prebuild
  ? [join(dirname(locate('prebuildify/package.json')), 'bin.js'), '--napi', '--strip', '--node-gyp', gyp]
  : [gyp, 'rebuild', '--loglevel=warn', ...(hasHeaders ? [`--nodedir=${prefix}`] : [])]
const { status } = spawnSync(process.execPath, command, { cwd: root, env, stdio: ['ignore', prebuild ? 'inherit' : 'ignore', 'inherit'] })
if (status !== 0) {
  // With every tool present a failure is a defect, unless node-gyp only lacked headers that it could not fetch.
  if (!hasHeaders && !prebuild) goWithout('node-gyp failed, and there are no headers beside this node (see above)')
  process.exit(status ?? 1)
}
if (!prebuild) writeFileSync(stamp, fingerprint)
