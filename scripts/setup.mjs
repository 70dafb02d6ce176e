// Makes a checkout ready to run: system packages where this may install them, npm packages, the build. Plain node, because
// nothing is installed when it starts. What is there already is left alone, so a second run takes a few seconds.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { installSystemPackages } from './system-packages.mjs'
import { root, show } from './workspace.mjs'

const PNPM = 'pnpm@12.21.0'
const OLDEST_NODE = [20, 19]
const PURPOSES = ['start', 'test', 'bench']

const { values } = parseArgs({ options: { for: { type: 'string', default: 'start' } } })
if (!PURPOSES.includes(values.for)) fail(`--for ${values.for}: give one of ${PURPOSES.join(', ')}`)

checkNode()
installSystemPackages(values.for)
installNpmPackages()
console.log('setup: building')
if (build() !== 0) fail('the build failed; what is wrong stands above')

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  fail(`Node ${process.versions.node} is too old: install Node ${OLDEST_NODE.join('.')} or later (20 and 24 are tested)`)
}

function installNpmPackages() {
  const stamp = join(root, 'node_modules', '.dwcp-setup')
  const wanted = hashOfManifests()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  const own = join(root, 'node_modules', '.bin', 'pnpm')
  const [command, ...leading] = existsSync(own) ? [own] : ['npx', '-y', PNPM]
  console.log('setup: installing npm packages')
  if (show(command, [...leading, 'install', '--frozen-lockfile']) !== 0) {
    fail('npm packages could not be installed: is the registry (`npm config get registry`) within reach, and pnpm-lock.yaml up to date?')
  }
  writeFileSync(stamp, wanted)
}

/** One hash over everything that decides what is installed. */
function hashOfManifests() {
  const folders = ['.', 'benchmarks', 'examples', 'scripts', ...readdirSync(join(root, 'packages')).map((name) => join('packages', name))]
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...folders.sort().map((folder) => join(folder, 'package.json'))]
  const hash = createHash('sha256')
  for (const file of files) {
    if (existsSync(join(root, file))) hash.update(`${file}\n`).update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

function fail(reason) {
  console.error(`setup: ${reason}`)
  process.exit(1)
}
