// The packages of others that ours need at run time, as tarballs made from what pnpm has installed, so that an application
// can be set up from them without a network.
import { cpSync, existsSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { capture, publishable, readJson, root } from './workspace.mjs'

/**
 * Packs the whole closure of foreign run-time dependencies, and the types of Node that a TypeScript application needs.
 *
 * @param {string} destination an empty folder
 * @returns npm's `overrides`: each package by its tarball; one that is there in several versions, by who needs which
 */
export function thirdPartyOverrides(destination) {
  const found = closure()
  const tarballs = new Map([...found.keys()].map((directory) => [directory, `file:${pack(directory, destination)}`]))
  const versions = new Map()
  for (const { name } of found.values()) versions.set(name, (versions.get(name) ?? 0) + 1)
  const overrides = {}
  for (const [directory, { name, needs }] of found) {
    if (versions.get(name) > 1) continue
    const own = needs.filter((one) => versions.get(found.get(one).name) > 1).map((one) => [found.get(one).name, tarballs.get(one)])
    const tarball = tarballs.get(directory)
    overrides[name] = own.length === 0 ? tarball : { '.': tarball, ...Object.fromEntries(own) }
  }
  return overrides
}

function pack(directory, destination) {
  const { name, version } = readJson(join(directory, 'package.json'))
  const tarball = join(destination, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
  const copy = join(destination, 'package')
  cpSync(directory, copy, { recursive: true, dereference: true })
  capture('tar', ['-czf', tarball, '-C', destination, 'package'])
  rmSync(copy, { recursive: true })
  return tarball
}

/** Every foreign package reached from ours, by its folder: its name, and the folders of what it needs. */
function closure() {
  const reached = new Map()
  const queue = [join(root, 'node_modules', '@types', 'node')].map((path) => realpathSync(path))
  for (const { directory, manifest } of publishable()) queue.push(...dependencies(manifest, join(directory, 'node_modules')))
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (reached.has(next)) continue
    const manifest = readJson(join(next, 'package.json'))
    // pnpm puts the dependencies of a package beside it.
    const beside = manifest.name.startsWith('@') ? dirname(dirname(next)) : dirname(next)
    const needs = dependencies(manifest, beside)
    reached.set(next, { name: manifest.name, needs })
    queue.push(...needs)
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
