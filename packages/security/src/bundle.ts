import type { ClusterId } from '@dwcp/interface'
import * as v from 'valibot'
import { securityError } from './errors.js'
import { Name } from './statements.js'

/** What an authority hands to a node: nothing in it is secret, all of it is signed. */
export interface Bundle {
  readonly cluster: ClusterId
  /** PEM: the node's certificate, then what leads from it to older authorities. */
  readonly certificate: string
  /** PEM: the authorities that signed themselves, newest first. */
  readonly authorities: string
  /** Who is admitted and who is revoked, each signed. */
  readonly statements: readonly string[]
}

const BUNDLE_CHARACTERS_MAX = 8 << 20
const STATEMENTS_MAX = 20_000

const Pem = v.pipe(v.string(), v.maxLength(200_000))
const BundleSchema = v.strictObject({
  format: v.literal('dwcp-bundle-1'),
  cluster: Name,
  certificate: Pem,
  authorities: Pem,
  statements: v.pipe(v.array(v.pipe(v.string(), v.maxLength(50_000))), v.maxLength(STATEMENTS_MAX)),
})

export const writeBundle = (bundle: Bundle): string => `${JSON.stringify({ format: 'dwcp-bundle-1', ...bundle }, null, 1)}\n`

/** @throws `ERR_SECURITY_CERTIFICATE` where the text is no bundle. */
export function readBundle(text: string): Bundle {
  try {
    if (text.length > BUNDLE_CHARACTERS_MAX) throw new RangeError(`it is longer than ${BUNDLE_CHARACTERS_MAX} characters`)
    const { format: _, ...bundle } = v.parse(BundleSchema, JSON.parse(text))
    return bundle
  } catch (cause) {
    throw securityError('ERR_SECURITY_CERTIFICATE', 'that is no bundle of an authority: install what "dwcp trust add" wrote', { cause })
  }
}
