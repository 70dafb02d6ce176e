// The arrows of the architecture, as a test: who may import whom, and through which entry.
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { packages } from './workspace.mjs'

const NATIVE = '@dwcp/native-rdma'
const INTERFACE = '@dwcp/interface'
const COMPONENTS = ['@dwcp/amst', '@dwcp/hde', '@dwcp/pba', '@dwcp/ass', '@dwcp/acp', '@dwcp/itp', '@dwcp/migration']

/** What the sources of a package may import from its siblings. A package that is not listed may import nothing. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  [INTERFACE]: [],
  [NATIVE]: [INTERFACE],
  '@dwcp/security': [INTERFACE, `${NATIVE}/lock`],
  '@dwcp/amst': [INTERFACE, `${NATIVE}/socket`, `${NATIVE}/hash`, `${NATIVE}/stream`, `${NATIVE}/lock`],
  '@dwcp/hde': [INTERFACE, `${NATIVE}/chunk`, `${NATIVE}/codec`, `${NATIVE}/delta`, `${NATIVE}/hash`, `${NATIVE}/lock`],
  '@dwcp/migration': [INTERFACE, `${NATIVE}/memory`, `${NATIVE}/hash`, `${NATIVE}/lock`],
  '@dwcp/pba': [INTERFACE],
  '@dwcp/ass': [INTERFACE],
  '@dwcp/acp': [INTERFACE],
  '@dwcp/itp': [INTERFACE],
  '@dwcp/compliance': [INTERFACE],
  '@dwcp/sim': [INTERFACE],
  '@dwcp/core': [INTERFACE, NATIVE, '@dwcp/security', ...COMPONENTS, '@dwcp/hde/delta'],
  '@dwcp/cli': [INTERFACE, NATIVE, '@dwcp/core', '@dwcp/core/delta', '@dwcp/core/transfer'],
}

/** Private packages that tests may use as well. */
const FOR_TESTS = ['@dwcp/compliance', '@dwcp/sim']

const all = packages()

describe.each(all)('$name', ({ name, directory, manifest }) => {
  const allowed = MAY_IMPORT[name]
  const imports = importsOf(directory)

  test('has its place in the list of arrows', () => {
    expect(allowed).toBeDefined()
  })

  test('imports from its siblings only what the arrows allow', () => {
    const refused = imports.filter(({ specifier, isTest }) => {
      if (!specifier.startsWith('@dwcp/') || specifier === name || specifier.startsWith(`${name}/`)) return false
      return !allowed?.includes(specifier) && !(isTest && FOR_TESTS.includes(specifier))
    })
    expect(refused.map(inWords)).toEqual([])
  })

  test('imports a sibling only through an entry that the sibling exports', () => {
    const inner = imports.filter(({ specifier }) => {
      const sibling = all.find((one) => specifier === one.name || specifier.startsWith(`${one.name}/`))
      return sibling !== undefined && !Object.hasOwn(sibling.manifest.exports, `.${specifier.slice(sibling.name.length)}`)
    })
    expect(inner.map(inWords)).toEqual([])
  })

  test('has no relative import that leaves the package', () => {
    const outside = imports.filter(({ file, specifier }) => {
      return specifier.startsWith('.') && relative(directory, join(directory, dirname(file), specifier)).startsWith('..')
    })
    expect(outside.map(inWords)).toEqual([])
  })

  test('declares as dependencies only siblings that the arrows allow', () => {
    const own = (group: 'dependencies' | 'peerDependencies' | 'optionalDependencies'): string[] => Object.keys(manifest[group] ?? {})
    const declared = [...own('dependencies'), ...own('peerDependencies'), ...own('optionalDependencies')]
    const siblings = declared.filter((one) => one.startsWith('@dwcp/'))
    expect(siblings.filter((one) => !allowed?.some((entry) => entry === one || entry.startsWith(`${one}/`)))).toEqual([])
  })
})

test('no component imports another one, by the list itself', () => {
  for (const component of COMPONENTS) {
    expect(MAY_IMPORT[component]?.filter((entry) => entry !== INTERFACE && !entry.startsWith(`${NATIVE}/`))).toEqual([])
  }
})

test('@dwcp/interface does no I/O: its sources import nothing, not even from Node', () => {
  const directory = all.find(({ name }) => name === INTERFACE)?.directory ?? ''
  const foreign = importsOf(directory).filter(({ specifier, isTest }) => !isTest && !specifier.startsWith('./'))
  expect(foreign.map(inWords)).toEqual([])
})

test('modules of Node are imported by their node: names', () => {
  const bare = all
    .flatMap(({ directory }) => importsOf(directory))
    .filter(({ specifier }) => builtinModules.includes(specifier) && !specifier.startsWith('node:'))
  expect(bare.map(inWords)).toEqual([])
})

interface Import {
  readonly file: string
  readonly specifier: string
  readonly isTest: boolean
}

function importsOf(directory: string): readonly Import[] {
  return ['src', 'test'].flatMap((folder) => {
    return filesUnder(join(directory, folder)).flatMap((path) => {
      const file = relative(directory, path)
      const isTest = folder === 'test' || /\.test\.[cm]?ts$/.test(file)
      const { importedFiles } = ts.preProcessFile(readFileSync(path, 'utf8'), true, true)
      return importedFiles.map(({ fileName }) => ({ file, specifier: fileName, isTest }))
    })
  })
}

function filesUnder(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.[cm]?[jt]s$/.test(name))
      .map((name) => join(directory, name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

function inWords({ file, specifier }: Import): string {
  return `${file} imports ${specifier}`
}
