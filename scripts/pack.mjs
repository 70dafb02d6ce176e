// Makes the tarballs that would be published, with `pnpm pack`, which applies publishConfig and writes real versions where
// the workspace says `workspace:^`.
import { join } from 'node:path'
import { capture, publishable } from './workspace.mjs'

/**
 * Packs every published package into a folder.
 *
 * @param {string} destination an empty folder
 */
export function packAll(destination) {
  return publishable().map(({ name, directory, manifest }) => {
    capture('pnpm', ['pack', '--pack-destination', destination], { cwd: directory })
    const tarball = join(destination, `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`)
    return { name, directory, manifest, tarball }
  })
}
