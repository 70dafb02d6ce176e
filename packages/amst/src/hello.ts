import { decode, encode } from '@msgpack/msgpack'
import { isLiteral } from './address.js'
import { type AmstErrorCode, amstError } from './errors.js'
import type { WireVersions } from './wire-version.js'

/** The first bytes of every connection, in both directions: magic, version, kind, length, msgpack. See docs/wire/amst.md. */
const PREAMBLE_BYTES = 8
const HELLO_BYTES_MAX = 4096
const MAGIC = Buffer.from('AMS3')
/** Of hellos alone: what follows them has versions of its own. */
const HELLO_VERSION = 1
/** That a listener tells beside the one that was called. */
export const ADDRESSES_MAX = 8
const KINDS = ['open', 'join', 'accept', 'joined', 'refuse', 'seal', 'enroll', 'enrolled'] as const

/** What one end takes in; the other keeps to it. */
export interface Allowance {
  readonly chunkBytes: number
  readonly initialWindowBytes: number
  readonly objectWindowBytes: number
  readonly openObjects: number
  readonly metadataBytes: number
  readonly messageBytes: number
  readonly pendingRequests: number
  /** How long it keeps a session that has no connection. 0, and left out of the hello: not at all. */
  readonly reconnectMs: number
}

export type Hello =
  /** `instance`: drawn when the process began; `previous`: the tag of a session with this peer that is over for the caller. */
  | {
      readonly kind: 'open'
      readonly node: string
      readonly instance: Uint8Array
      readonly streams: number
      readonly allowance: Allowance
      readonly previous: Uint8Array
      /** Left out of the hello: 1 alone. */
      readonly versions: WireVersions
    }
  | {
      readonly kind: 'accept'
      readonly node: string
      readonly instance: Uint8Array
      readonly streams: number
      readonly allowance: Allowance
      readonly secret: Uint8Array
      readonly tag: Uint8Array
      /** Of what follows; left out of the hello: 1. */
      readonly version: number
      /** Where the listener takes datagrams; 0: under the number that was called; left out: nowhere. */
      readonly datagramPort?: number
      /** Others of the listener, each an IP literal with a port; left out: none. */
      readonly addresses?: readonly string[]
    }
  | { readonly kind: 'join'; readonly secret: Uint8Array; readonly index: number }
  | { readonly kind: 'joined' }
  | { readonly kind: 'refuse'; readonly code: string; readonly message: string }
  /** Outside TLS: of the session with that tag, whose keys it is sealed with from here on. */
  | { readonly kind: 'seal'; readonly tag: Uint8Array; readonly index: number; readonly serial: number }
  /** From who has no certificate yet. */
  | { readonly kind: 'enroll'; readonly request: string }
  /** So many bytes of text follow, and nothing else. */
  | { readonly kind: 'enrolled'; readonly lengthBytes: number }

export function encodeHello(hello: Hello): Buffer {
  const { kind, ...fields } = hello
  const body = encode(fields)
  const preamble = Buffer.alloc(PREAMBLE_BYTES)
  MAGIC.copy(preamble)
  preamble.writeUInt8(HELLO_VERSION, 4)
  preamble.writeUInt8(KINDS.indexOf(kind) + 1, 5)
  preamble.writeUInt16BE(body.byteLength, 6)
  return Buffer.concat([preamble, body])
}

/**
 * @returns the length of the whole hello once its preamble is there, undefined before.
 * @throws `ERR_AMST_HANDSHAKE`, `ERR_AMST_VERSION`, `ERR_AMST_SECURITY_MISMATCH` at the first byte that shows it.
 */
export function helloBytes(bytes: Buffer): number | undefined {
  const known = Math.min(bytes.byteLength, MAGIC.byteLength)
  if (known > 0 && (bytes[0] === 0x15 || bytes[0] === 0x16)) throw mismatch('the other end speaks TLS and this end does not')
  if (bytes.compare(MAGIC, 0, known, 0, known) !== 0)
    throw amstError('ERR_AMST_HANDSHAKE', 'the other end does not speak AMST v3: check the port')
  if (bytes.byteLength < PREAMBLE_BYTES) return undefined
  const version = bytes.readUInt8(4)
  if (version !== HELLO_VERSION)
    throw amstError('ERR_AMST_VERSION', `the other end says hello in version ${version}, this end in ${HELLO_VERSION}`)
  const bodyBytes = bytes.readUInt16BE(6)
  if (bodyBytes > HELLO_BYTES_MAX) throw amstError('ERR_AMST_HANDSHAKE', `a hello of ${bodyBytes} bytes is past ${HELLO_BYTES_MAX}`)
  return PREAMBLE_BYTES + bodyBytes
}

/** @throws `ERR_AMST_HANDSHAKE` naming the field that is missing or wrong. */
export function decodeHello(bytes: Buffer): Hello {
  const kind = KINDS[bytes.readUInt8(5) - 1]
  const fields = new Fields(bytes.subarray(PREAMBLE_BYTES))
  switch (kind) {
    case 'open':
      return { kind, ...fields.party(), previous: fields.bytes('previous', 8), versions: fields.versions() }
    case 'accept':
      return {
        kind,
        ...fields.party(),
        secret: fields.bytes('secret', 16),
        tag: fields.bytes('tag', 8),
        version: fields.has('version') ? fields.integer('version', 1) : 1,
        ...fields.datagrams(),
        ...fields.addresses(),
      }
    case 'join':
      return { kind, secret: fields.bytes('secret', 16), index: fields.integer('index', 0) }
    case 'joined':
      return { kind }
    case 'refuse':
      return { kind, code: fields.text('code'), message: fields.text('message') }
    case 'seal':
      return { kind, tag: fields.bytes('tag', 8), index: fields.integer('index', 1), serial: fields.integer('serial', 1) }
    case 'enroll':
      return { kind, request: fields.text('request') }
    case 'enrolled':
      return { kind, lengthBytes: fields.integer('lengthBytes', 1) }
    default:
      throw amstError('ERR_AMST_HANDSHAKE', `unknown kind of hello ${bytes[5]}`)
  }
}

export const mismatch = (what: string): Error =>
  amstError('ERR_AMST_SECURITY_MISMATCH', `${what}: give both ends "tls", or both "plaintext"; it is never negotiated`)

const REFUSALS = [
  'ERR_AMST_IDENTITY',
  'ERR_AMST_LIMIT',
  'ERR_AMST_SECURITY_MISMATCH',
  'ERR_AMST_TLS',
  'ERR_AMST_UNTRUSTED',
  'ERR_AMST_VERSION',
] as const

/** What the caller learns when it was refused. */
export function refusal(hello: { readonly code: string; readonly message: string }): Error {
  const code: AmstErrorCode =
    REFUSALS.find((known) => known === hello.code) ?? (hello.code.startsWith('ERR_AMST_') ? 'ERR_AMST_REFUSED' : 'ERR_AMST_REJECTED')
  return amstError(code, `the listener refused: ${hello.message}`, {
    retryable: code === 'ERR_AMST_REFUSED' || code === 'ERR_AMST_LIMIT',
    details: { peerCode: hello.code },
  })
}

class Fields {
  readonly #values: ReadonlyMap<string, unknown>

  constructor(body: Uint8Array) {
    let value: unknown
    try {
      value = decode(body, { maxStrLength: HELLO_BYTES_MAX, maxBinLength: 64, maxArrayLength: 16, maxMapLength: 32, maxExtLength: 0 })
    } catch (cause) {
      throw amstError('ERR_AMST_HANDSHAKE', 'the hello is not msgpack', { cause })
    }
    this.#values = value instanceof Object ? new Map(Object.entries(value)) : new Map()
  }

  party(): { node: string; instance: Uint8Array; streams: number; allowance: Allowance } {
    const nested = new Fields(encode(this.#values.get('allowance')))
    return {
      node: this.text('node'),
      instance: this.bytes('instance', 16),
      streams: this.integer('streams', 1),
      allowance: {
        chunkBytes: nested.integer('chunkBytes', 1),
        initialWindowBytes: nested.integer('initialWindowBytes', 1),
        objectWindowBytes: nested.integer('objectWindowBytes', 1),
        openObjects: nested.integer('openObjects', 1),
        metadataBytes: nested.integer('metadataBytes', 0),
        messageBytes: nested.integer('messageBytes', 1),
        pendingRequests: nested.integer('pendingRequests', 1),
        reconnectMs: nested.has('reconnectMs') ? nested.integer('reconnectMs', 0) : 0,
      },
    }
  }

  versions(): WireVersions {
    const value: unknown = this.#values.get('versions') ?? [1, 1]
    const [least, most] = Array.isArray(value) && value.length === 2 ? value : []
    if (Number.isInteger(least) && Number.isInteger(most) && 1 <= least && least <= most && most < 2 ** 31) return [least, most]
    throw wrong('versions')
  }

  datagrams(): { datagramPort?: number } {
    if (!this.has('datagramPort')) return {}
    const datagramPort = this.integer('datagramPort', 0)
    if (datagramPort > 65_535) throw wrong('datagramPort')
    return { datagramPort }
  }

  addresses(): { addresses?: readonly string[] } {
    const value = this.#values.get('addresses')
    if (value === undefined) return {}
    if (!Array.isArray(value) || value.length > ADDRESSES_MAX) throw wrong('addresses')
    return {
      addresses: value.map((text: unknown) => {
        if (typeof text === 'string' && isLiteral(text)) return text
        throw wrong('addresses')
      }),
    }
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  text(name: string): string {
    const value = this.#values.get(name)
    if (typeof value === 'string' && value.length > 0) return value
    throw wrong(name)
  }

  /** Up to 2^31. */
  integer(name: string, least: number): number {
    const value = this.#values.get(name)
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value < 2 ** 31) return value
    throw wrong(name)
  }

  bytes(name: string, lengthBytes: number): Uint8Array {
    const value = this.#values.get(name)
    if (value instanceof Uint8Array && value.byteLength === lengthBytes) return Uint8Array.from(value)
    throw wrong(name)
  }
}

const wrong = (name: string): Error => amstError('ERR_AMST_HANDSHAKE', `the hello's "${name}" is missing or wrong`)
