// The packages of others that ours need at run time, as tarballs made from what pnpm has installed, so that an application
// can be set up from them without a network.
import { cpSync, existsSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { capture, publishable, readJson, root } from './workspace.mjs'

/**
 * Packs the whole closure of foreign run-time dependencies, and the types of Node that a TypeScript application needs.
 *
 * @param {string} destination an empty folder
 */
export function thirdPartyTarballs(destination) {
  const found = new Map([...closure()].map((directory) => [directory, readJson(join(directory, 'package.json'))]))
  const names = [...found.values()].map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`${twice} is needed in two versions; npm's overrides, as used here, can give only one`)
  return [...found].map(([directory, { name, version }]) => {
    const tarball = join(destination, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
    const copy = join(destination, 'package')
    cpSync(directory, copy, { recursive: true, dereference: true })
    capture('tar', ['-czf', tarball, '-C', destination, 'package'])
    rmSync(copy, { recursive: true })
    return { name, tarball }
  })
}

/** The folders of every foreign package reached from ours, each once. */
function closure() {
  const reached = new Set()
  const queue = [join(root, 'node_modules', '@types', 'node')].map((path) => realpathSync(path))
  for (const { directory, manifest } of publishable()) queue.push(...dependencies(manifest, join(directory, 'node_modules')))
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    const { name } = readJson(join(next, 'package.json'))
    // pnpm puts the dependencies of a package beside it.
    const beside = name.startsWith('@') ? dirname(dirname(next)) : dirname(next)
    queue.push(...dependencies(readJson(join(next, 'package.json')), beside))
  }
  return reached
}

function dependencies(manifest, folder) {
  const { dependencies: needed = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifest
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
  const optional = Object.keys(optionalDependencies).filter((name) => existsSync(join(folder, name)))
  const foreign = [...Object.keys(needed), ...peers, ...optional].filter((name) => !name.startsWith('@dwcp/'))
  return foreign.map((name) => realpathSync(join(folder, name)))
}
