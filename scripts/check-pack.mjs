// Packs every published package, installs the tarballs into an empty application with npm, offline, and uses them there as
// strangers do: import, require, a TypeScript NodeNext program that is checked with its libraries, the commands, the examples.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll } from './pack.mjs'
import { thirdPartyOverrides } from './third-party.mjs'
import { capture, root } from './workspace.mjs'

const LONGEST_EXAMPLE_MS = 60_000

const work = mkdtempSync(join(tmpdir(), 'dwcp-pack-'))
try {
  const packed = packInto('ours', packAll)
  const foreign = packInto('theirs', thirdPartyOverrides)
  const application = install(packed, foreign)
  const entries = packed.flatMap(({ name, manifest }) => entriesOf(name, manifest))
  checkModules(application, entries)
  checkTypes(application, entries)
  checkCommands(application, packed)
  runExamples(application)
  console.log(`check:pack: ${packed.length} packages, ${entries.length} entries: installed offline, imported, required and typechecked`)
} finally {
  rmSync(work, { recursive: true, force: true })
}

function packInto(folder, pack) {
  const destination = join(work, folder)
  mkdirSync(destination)
  return pack(destination)
}

/** An application that depends on our tarballs, with every foreign dependency taken from what the workspace has installed. */
function install(packed, foreign) {
  const application = join(work, 'application')
  mkdirSync(application)
  const ours = Object.fromEntries(packed.map(({ name, tarball }) => [name, `file:${tarball}`]))
  const { '@types/node': nodeTypes, ...overrides } = foreign
  const dependencies = { ...ours, '@types/node': nodeTypes }
  write(application, 'package.json', JSON.stringify({ name: 'application', private: true, dependencies, overrides }))
  const options = ['--offline', '--no-audit', '--no-fund', '--loglevel=error', '--cache', join(work, 'empty-cache')]
  capture('npm', ['install', ...options], { cwd: application })
  return application
}

/** What a package lets others import, as specifiers. */
function entriesOf(name, { publishConfig, exports }) {
  const keys = Object.keys(publishConfig?.exports ?? exports)
  return keys.filter((key) => !key.endsWith('.json')).map((key) => name + key.slice(1))
}

/** Both forms of each entry load, and hand out the same names. */
function checkModules(application, entries) {
  write(
    application,
    'names.mjs',
    load(entries, (entry) => `await import('${entry}')`),
  )
  write(
    application,
    'names.cjs',
    load(entries, (entry) => `require('${entry}')`),
  )
  const imported = JSON.parse(capture(process.execPath, ['names.mjs'], { cwd: application }))
  const required = JSON.parse(capture(process.execPath, ['names.cjs'], { cwd: application }))
  for (const [index, entry] of entries.entries()) {
    const [left, right] = [imported[index], required[index]].map((names) => names.join(' '))
    if (left !== right) throw new Error(`${entry}: import gives [${left}], require gives [${right}]`)
  }
}

function load(entries, expression) {
  const names = (entry) => `Object.keys(${expression(entry)}).filter((name) => name !== 'default' && name !== 'module.exports').sort()`
  return `console.log(JSON.stringify([${entries.map(names).join(', ')}]))\n`
}

/** A NodeNext program in both module kinds, with every declaration file of ours checked as well (skipLibCheck is off). */
function checkTypes(application, entries) {
  const lines = entries.map(
    (entry, index) => `import * as entry${index} from '${entry}'\nexport type Names${index} = keyof typeof entry${index}\n`,
  )
  write(application, 'consumer.mts', lines.join(''))
  write(application, 'consumer.cts', lines.join(''))
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
  }
  write(application, 'tsconfig.json', JSON.stringify({ compilerOptions, files: ['consumer.mts', 'consumer.cts'] }))
  capture(process.execPath, [join(root, 'node_modules', 'typescript-7', 'bin', 'tsc'), '-p', application])
}

/** Each command starts from its tarball and knows its help. */
function checkCommands(application, packed) {
  for (const command of packed.flatMap(({ manifest }) => Object.keys(manifest.bin ?? {}))) {
    capture(join(application, 'node_modules', '.bin', command), ['--help'], { cwd: application })
  }
}

/** Each example of ours runs in that application too. */
function runExamples(application) {
  const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.mjs'))
  for (const name of examples) {
    copyFileSync(join(root, 'examples', name), join(application, name))
    capture(process.execPath, [name], { cwd: application, timeout: LONGEST_EXAMPLE_MS })
  }
}

function write(folder, name, text) {
  writeFileSync(join(folder, name), text)
}
