import { type Digest, DwcpError } from '@dwcp/interface'
import type { HdeErrorCode } from '../errors.js'

export function missingDictionary(digest: Digest): DwcpError<HdeErrorCode> {
  return new DwcpError(
    'ERR_HDE_DICTIONARY_MISSING',
    `a frame made with the dictionary ${digest}…, which is not here: fetch it from the sender and add it, or have the object sent without one`,
    { details: { digest } },
  )
}
