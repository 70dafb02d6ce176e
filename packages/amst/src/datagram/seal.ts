// AES-256-GCM for each datagram by itself, with nonces in the manner of TLS 1.3 (RFC 8446, 5.3) and the number of each on the wire.
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { ReplayWindow } from '../replay-window.js'

/** Every path carries that much (RFC 9000, 14). */
export const DATAGRAM_BYTES_MAX = 1200
const FIRST_BYTE = 0xd1
const SESSION_TAG_BYTES = 8
/** First byte, session, number. */
const HEAD_BYTES = 17
const SEQUENCE_AT = 9
const AUTH_TAG_BYTES = 16
/** What a datagram costs beyond what it carries. */
export const SEAL_BYTES: number = HEAD_BYTES + AUTH_TAG_BYTES
const CIPHER = 'aes-256-gcm'
const [KEY_BYTES, IV_BYTES] = [32, 12]
/** Datagrams that one key seals: 2^31 blocks of 16 bytes, so that the chance to tell them from random is 2^-67 (RFC 9001, B.1). */
const EPOCH_DATAGRAMS = 2 ** 24

/** What both ends of a session know. */
export interface DatagramSecret {
  /** Under TLS what its exporter gives; in plaintext the secret of the hello, which who reads that has too. */
  readonly shared: Uint8Array
  /** Of the session: it is in each datagram. */
  readonly tag: Uint8Array
  readonly isCaller: boolean
}

interface EpochKey {
  readonly epoch: number
  readonly key: Uint8Array
  readonly iv: Buffer
}

/** One direction's keys, the last two of them kept. */
class EpochKeys {
  readonly #secret: DatagramSecret
  readonly #label: string
  #kept: readonly EpochKey[] = []

  constructor(secret: DatagramSecret, ofCaller: boolean) {
    this.#secret = secret
    this.#label = ofCaller ? 'dwcp datagram caller' : 'dwcp datagram listener'
  }

  of(epoch: number): EpochKey {
    return this.#kept.find((one) => one.epoch === epoch) ?? this.#derive(epoch)
  }

  /** Comes to count once something was sealed or opened with it. */
  keep(key: EpochKey): void {
    if (!this.#kept.includes(key)) this.#kept = [...this.#kept.slice(-1), key]
  }

  #derive(epoch: number): EpochKey {
    const info = Buffer.alloc(this.#label.length + 8)
    info.write(this.#label)
    info.writeBigUInt64BE(BigInt(epoch), this.#label.length)
    const bytes = Buffer.from(hkdfSync('sha256', this.#secret.shared, this.#secret.tag, info, KEY_BYTES + IV_BYTES))
    return { epoch, key: bytes.subarray(0, KEY_BYTES), iv: bytes.subarray(KEY_BYTES) }
  }
}

/** Seals what one end sends in one session; no number is used twice. */
export class DatagramSealer {
  readonly #keys: EpochKeys
  readonly #head = Buffer.alloc(HEAD_BYTES)
  #next = 0

  constructor(secret: DatagramSecret) {
    this.#keys = new EpochKeys(secret, secret.isCaller)
    this.#head.writeUInt8(FIRST_BYTE)
    this.#head.set(secret.tag, 1)
  }

  seal(body: Uint8Array): Buffer {
    const sequence = this.#next
    this.#next += 1
    const key = this.#keys.of(Math.floor(sequence / EPOCH_DATAGRAMS))
    this.#keys.keep(key)
    this.#head.writeBigUInt64BE(BigInt(sequence), SEQUENCE_AT)
    const cipher = createCipheriv(CIPHER, key.key, nonceOf(key.iv, sequence), { authTagLength: AUTH_TAG_BYTES }).setAAD(this.#head)
    return Buffer.concat([this.#head, cipher.update(body), cipher.final(), cipher.getAuthTag()])
  }
}

/** What a datagram holds that the peer sealed, and that had not come before. */
export interface OpenedDatagram {
  readonly body: Buffer
  /** None with a higher number came before. */
  readonly isNewest: boolean
}

/** Opens what the other end sent in one session, each datagram once. */
export class DatagramOpener {
  readonly #keys: EpochKeys
  readonly #window = new ReplayWindow()

  constructor(secret: DatagramSecret) {
    this.#keys = new EpochKeys(secret, !secret.isCaller)
  }

  /** Whether it is worth the cipher: it costs nothing to ask. */
  isFresh(datagram: Buffer): boolean {
    const sequence = sequenceOf(datagram)
    if (sequence === undefined || !this.#window.isNew(sequence)) return false
    // Else anyone could have keys derived without end.
    return sequence <= Math.max(0, this.#window.highest) + EPOCH_DATAGRAMS
  }

  /** @returns undefined where the peer did not seal it, or it came before. Ask {@link DatagramOpener.isFresh} first. */
  open(datagram: Buffer): OpenedDatagram | undefined {
    const sequence = sequenceOf(datagram)
    if (sequence === undefined) return undefined
    const key = this.#keys.of(Math.floor(sequence / EPOCH_DATAGRAMS))
    const end = datagram.byteLength - AUTH_TAG_BYTES
    const decipher = createDecipheriv(CIPHER, key.key, nonceOf(key.iv, sequence), { authTagLength: AUTH_TAG_BYTES })
      .setAAD(datagram.subarray(0, HEAD_BYTES))
      .setAuthTag(datagram.subarray(end))
    const body = decipher.update(datagram.subarray(HEAD_BYTES, end))
    try {
      decipher.final()
    } catch {
      // The one thing that it throws for here.
      return undefined
    }
    this.#keys.keep(key)
    const isNewest = sequence > this.#window.highest
    return this.#window.take(sequence) ? { body, isNewest } : undefined
  }
}

/** The session that it claims to be of; undefined for what is no datagram of ours. */
export function sessionTagOf(datagram: Buffer): string | undefined {
  const isOne = datagram.byteLength > SEAL_BYTES && datagram.byteLength <= DATAGRAM_BYTES_MAX && datagram[0] === FIRST_BYTE
  return isOne ? datagram.toString('latin1', 1, 1 + SESSION_TAG_BYTES) : undefined
}

function sequenceOf(datagram: Buffer): number | undefined {
  const sequence = Number(datagram.readBigUInt64BE(SEQUENCE_AT))
  return Number.isSafeInteger(sequence) ? sequence : undefined
}

function nonceOf(iv: Buffer, sequence: number): Buffer {
  const nonce = Buffer.from(iv)
  nonce.writeUInt32BE((nonce.readUInt32BE(4) ^ Math.floor(sequence / 2 ** 32)) >>> 0, 4)
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ (sequence >>> 0)) >>> 0, 8)
  return nonce
}
