import { amstError } from './errors.js'

/** A range of versions of what follows the hellos. */
export type WireVersions = readonly [least: number, most: number]

/** What this release speaks, as docs/wire/amst.md numbers it. */
export const WIRE_VERSIONS: WireVersions = [1, 1]

/**
 * @returns the highest that both speak.
 * @throws `ERR_AMST_VERSION` where there is none.
 */
export function agreeVersion(theirs: WireVersions, ours: WireVersions = WIRE_VERSIONS): number {
  const version = Math.min(theirs[1], ours[1])
  if (version >= Math.max(theirs[0], ours[0])) return version
  throw amstError('ERR_AMST_VERSION', `one end speaks wire ${named(theirs)}, the other ${named(ours)}: update the older one`, {
    details: { theirs, ours },
  })
}

const named = ([least, most]: WireVersions): string => (least === most ? `version ${least}` : `versions ${least} to ${most}`)
