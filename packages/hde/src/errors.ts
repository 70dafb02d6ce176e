import { DwcpError } from '@dwcp/interface'

/**
 * - `ERR_HDE_BASELINE_MISSING`: the frames build on a baseline that is not here, or that does not fit the regions.
 * - `ERR_HDE_DICTIONARY_MISSING`: the frame was made with a dictionary that is not here; `details.digest` begins its digest.
 * - `ERR_HDE_CORRUPT`: a frame is not what an encoder made, or not the next one.
 * - `ERR_HDE_LIMIT`: a frame, a chunk or a region passes a declared limit.
 * - `ERR_HDE_VERSION`: a frame of a format version that is not spoken here.
 * - `ERR_HDE_STATE`: an encoder or decoder that is closed, busy or broken was used.
 * - `ERR_HDE_STORE_FULL`: an object does not fit into a baseline store beside what is in use.
 * - `ERR_HDE_STORE_DAMAGED`: what a baseline store read is not what was kept; it is dropped.
 * - `ERR_HDE_STORE_LOCKED`: another process has the directory of a baseline store.
 *
 * @public
 */
export type HdeErrorCode =
  | 'ERR_HDE_BASELINE_MISSING'
  | 'ERR_HDE_DICTIONARY_MISSING'
  | 'ERR_HDE_CORRUPT'
  | 'ERR_HDE_LIMIT'
  | 'ERR_HDE_VERSION'
  | 'ERR_HDE_STATE'
  | 'ERR_HDE_STORE_FULL'
  | 'ERR_HDE_STORE_DAMAGED'
  | 'ERR_HDE_STORE_LOCKED'

export function corrupt(message: string, details: Readonly<Record<string, unknown>> = {}, cause?: unknown): DwcpError<HdeErrorCode> {
  const text = `${message}; the stream cannot be continued: start it again, without a baseline if it was built on one`
  return new DwcpError('ERR_HDE_CORRUPT', text, cause === undefined ? { details } : { details, cause })
}

export function foreignVersion(what: string, version: number, spoken: number): DwcpError<HdeErrorCode> {
  const text = `${what} of format version ${version}, and only ${spoken} is spoken here: update the older side`
  return new DwcpError('ERR_HDE_VERSION', text, { details: { version, spoken: [spoken] } })
}

export function pastLimit(what: string, value: number, limit: number, remedy: string): DwcpError<HdeErrorCode> {
  return new DwcpError('ERR_HDE_LIMIT', `${what} is ${value}, past the limit of ${limit}: ${remedy}`, { details: { what, value, limit } })
}
