// AES-256-GCM (NIST SP 800-38D) with keys and nonces in the manner of TLS 1.3 (RFC 8446, 5.3, 7.2 and 7.3): the twin of
// native/stream_seal.cc.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'

/**
 * The secrets of one connection, 32 bytes for each direction. No two connections may ever have the same: the numbers of their records
 * both begin at 0.
 * @public
 */
export interface StreamSecrets {
  readonly send: Uint8Array
  readonly receive: Uint8Array
}

/**
 * What {@link streamSecrets} makes them of.
 * @public
 */
export interface StreamSecretsOptions {
  /** 32 bytes or more that only the two ends know, such as what the exporter of their TLS session gives. */
  readonly shared: Uint8Array
  /** Of the connection among those with this `shared`: a safe integer, never the same twice. Both ends must see to that. */
  readonly serial: number
  readonly isCaller: boolean
}

export const SECRET_BYTES = 32
export const TAG_BYTES = 16
const KEY_BYTES = 32
const IV_BYTES = 12
const CIPHER = 'aes-256-gcm'
const REKEY_RECORDS = 2 ** 31
/** With the longest frame on top still below the 2^36 that a key may seal. */
export const REKEY_BYTES: number = 2 ** 35

/**
 * Secrets for one connection (HKDF-SHA-256, RFC 5869). The end which is called must take each serial once, and send nothing to a caller
 * that has not shown its keys: else an attacker who repeats what was said makes it seal twice with one nonce.
 *
 * @throws RangeError where `shared` is too short or `serial` none.
 * @public
 */
export function streamSecrets(options: StreamSecretsOptions): StreamSecrets {
  const { shared, serial, isCaller } = options
  if (shared.byteLength < SECRET_BYTES) throw new RangeError(`shared must have ${SECRET_BYTES} bytes or more, not ${shared.byteLength}`)
  if (!Number.isSafeInteger(serial) || serial < 0) throw new RangeError(`serial must be a safe integer, not ${serial}`)
  const salt = Buffer.alloc(8)
  salt.writeBigUInt64BE(BigInt(serial))
  const derive = (label: string): Uint8Array => new Uint8Array(hkdfSync('sha256', shared, salt, label, SECRET_BYTES))
  const [caller, listener] = [derive('dwcp stream caller'), derive('dwcp stream listener')]
  return isCaller ? { send: caller, receive: listener } : { send: listener, receive: caller }
}

/** HKDF-Expand for at most one block. */
const expand = (secret: Uint8Array, label: string, lengthBytes: number): Buffer =>
  createHmac('sha256', secret).update(label).update(Uint8Array.of(1)).digest().subarray(0, lengthBytes)

/** Key and nonces of one direction: each record has a nonce of its own, and both ends take the next key at the same frame. */
class RecordKeys {
  readonly #rekeyBytes: number
  #secret: Uint8Array
  #key: Buffer
  #iv: Buffer
  #records = 0
  #bytes = 0

  constructor(secret: Uint8Array, rekeyBytes: number) {
    this.#rekeyBytes = rekeyBytes
    this.#secret = Uint8Array.from(secret)
    this.#key = expand(this.#secret, 'dwcp key', KEY_BYTES)
    this.#iv = expand(this.#secret, 'dwcp iv', IV_BYTES)
  }

  beginFrame(): void {
    if (this.#bytes < this.#rekeyBytes && this.#records < REKEY_RECORDS) return
    this.#secret = expand(this.#secret, 'dwcp next', SECRET_BYTES)
    this.#key = expand(this.#secret, 'dwcp key', KEY_BYTES)
    this.#iv = expand(this.#secret, 'dwcp iv', IV_BYTES)
    this.#records = 0
    this.#bytes = 0
  }

  beginRecord(bytes: number): { readonly key: Buffer; readonly nonce: Buffer } {
    const nonce = Buffer.from(this.#iv)
    // Below 2^32: the upper half of the number is 0.
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.#records) >>> 0, 8)
    this.#records += 1
    this.#bytes += bytes
    return { key: this.#key, nonce }
  }
}

/** Seals what goes out on one connection. */
export class Sealer {
  readonly #keys: RecordKeys

  constructor(secret: Uint8Array, rekeyBytes: number) {
    this.#keys = new RecordKeys(secret, rekeyBytes)
  }

  /** The sealed head and, where there is a body, the sealed body. */
  frame(head: Uint8Array, body: Uint8Array): Buffer[] {
    this.#keys.beginFrame()
    const parts = this.#record(head)
    return body.byteLength > 0 ? [...parts, ...this.#record(body)] : parts
  }

  #record(bytes: Uint8Array): Buffer[] {
    const { key, nonce } = this.#keys.beginRecord(bytes.byteLength)
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    return [cipher.update(bytes), cipher.final(), cipher.getAuthTag()]
  }
}

/** Opens what comes in on one connection. */
export class Opener {
  readonly #keys: RecordKeys

  constructor(secret: Uint8Array, rekeyBytes: number) {
    this.#keys = new RecordKeys(secret, rekeyBytes)
  }

  /** @returns undefined where it is not what the peer sealed as its next head. */
  head(sealed: Uint8Array): Buffer | undefined {
    this.#keys.beginFrame()
    return this.body(sealed)
  }

  /** @returns undefined where it is not what the peer sealed as its next body. */
  body(sealed: Uint8Array): Buffer | undefined {
    const lengthBytes = sealed.byteLength - TAG_BYTES
    const { key, nonce } = this.#keys.beginRecord(lengthBytes)
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAuthTag(sealed.subarray(lengthBytes))
    const opened = decipher.update(sealed.subarray(0, lengthBytes))
    try {
      decipher.final()
    } catch {
      // The one thing that it throws for here.
      return undefined
    }
    return opened
  }
}
