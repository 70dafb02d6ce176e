import { type KeyObject, sign, verify } from 'node:crypto'
import * as v from 'valibot'
import { securityError } from './errors.js'

/** One kind of signed text, and what may stand in it. */
export interface SignedKind<T> {
  /** The `typ` in its header: what is signed as one kind is worth nothing as another. */
  readonly typ: string
  readonly schema: v.GenericSchema<unknown, T>
}

/** What is claimed, before `isSignedBy` was asked. */
export interface SignedText<T> {
  readonly text: string
  /** Names the key. */
  readonly kid: string
  readonly payload: T
  readonly isSignedBy: (publicKey: KeyObject) => boolean
}

/** A base64url alphabet and dots only, so that a text survives being copied from a terminal. */
const FORM = /^([\w-]{1,1000})\.([\w-]{1,40000})\.([\w-]{86})$/
const Header = v.strictObject({ alg: v.literal('EdDSA'), typ: v.string(), kid: v.string() })

/** A JSON Web Signature in compact form, by Ed25519 (RFC 7515, RFC 8037). */
export function signText<T>(kind: SignedKind<T>, payload: T, key: KeyObject, kid: string): string {
  const head = encode({ alg: 'EdDSA', typ: kind.typ, kid })
  const signed = `${head}.${encode(payload)}`
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`
}

/** @throws `ERR_SECURITY_SIGNATURE` where the text has not that form. */
export function readSignedText<T>(kind: SignedKind<T>, text: string): SignedText<T> {
  const [, head, body, signature] = FORM.exec(text.trim()) ?? []
  if (head === undefined || body === undefined || signature === undefined) throw malformed(kind.typ)
  try {
    const { typ, kid } = v.parse(Header, decode(head))
    if (typ !== kind.typ) throw malformed(kind.typ)
    const payload = v.parse(kind.schema, decode(body))
    const signed = Buffer.from(`${head}.${body}`)
    return {
      text: text.trim(),
      kid,
      payload,
      isSignedBy: (publicKey) => verify(null, signed, publicKey, Buffer.from(signature, 'base64url')),
    }
  } catch (cause) {
    throw malformed(kind.typ, cause)
  }
}

/** Whether a text says that it is of that kind; nothing more of it is known then. */
export function saysItIs(kind: SignedKind<unknown>, text: string): boolean {
  const head = FORM.exec(text.trim())?.[1]
  try {
    return head !== undefined && v.parse(Header, decode(head)).typ === kind.typ
  } catch {
    return false
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const decode = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))

const malformed = (typ: string, cause?: unknown): Error =>
  securityError('ERR_SECURITY_SIGNATURE', `that is no ${typ}: it is cut short, altered, or something else`, { cause })
