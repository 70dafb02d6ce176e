import { amstError } from '../errors.js'

const NAME_BYTES_MAX = 255
const SLASH = 0x2f
const DOT = 0x2e

/** Where receivers keep what is not whole yet; never sent, never taken. */
export const STAGING_NAME: Buffer = Buffer.from('.dwcp')

/** @throws `ERR_AMST_PATH` for what cannot be the name of one thing in one directory. */
export function checkName(name: Buffer): Buffer {
  const isDots = name.every((byte) => byte === DOT) && name.byteLength <= 2
  if (isDots || name.byteLength > NAME_BYTES_MAX || name.includes(SLASH) || name.includes(0) || name.equals(STAGING_NAME))
    throw amstError('ERR_AMST_PATH', `"${shown(name)}" is no name that a tree may have`)
  return name
}

/**
 * The names of a path, from the root of what is served on; '' is the root itself.
 *
 * @throws `ERR_AMST_PATH` for a path that is absolute, or would leave the root.
 */
export function namesOf(path: Buffer): readonly Buffer[] {
  if (path.byteLength === 0) return []
  if (path[0] === SLASH) throw amstError('ERR_AMST_PATH', `"${shown(path)}" is absolute: give a path from the root of what is served`)
  const names: Buffer[] = []
  for (let start = 0; start <= path.byteLength; ) {
    const found = path.indexOf(SLASH, start)
    const end = found < 0 ? path.byteLength : found
    const name = path.subarray(start, end)
    const isEmpty = name.byteLength === 0 || (name.byteLength === 1 && name[0] === DOT)
    if (!isEmpty) names.push(checkName(name))
    start = end + 1
  }
  return names
}

/**
 * Whether a symbolic link may be trusted to stay below the root, whatever other links there are that may: it is relative, and goes up only
 * at its beginning, where the way is of directories alone, and not further than it is deep.
 *
 * @param depth - Of the directory that it is in, below the root.
 */
export function staysInside(target: Buffer, depth: number): boolean {
  if (target[0] === SLASH) return false
  let up = 0
  let isDown = false
  for (const name of target.toString('latin1').split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') isDown = true
    else if (isDown) return false
    else up += 1
  }
  return up <= depth
}

/** For a person: what is not UTF-8 or would move a terminal's cursor is escaped. */
export function shown(path: Uint8Array): string {
  const text = Buffer.from(path).toString('utf8')
  const isText = Buffer.from(text).equals(path)
  return isText
    ? text.replace(/[\p{Cc}\\]/gu, escaped)
    : Buffer.from(path)
        .toString('latin1')
        .replace(/[^\x20-\x7e]|\\/g, escaped)
}

const escaped = (letter: string): string => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`
