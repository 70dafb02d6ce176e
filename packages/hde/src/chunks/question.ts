import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { corrupt, foreignVersion, pastLimit } from '../errors.js'
import { type ChunkMode, DIGEST_BYTES, DIGEST_CODES, type DigestKind, digestKindOf, MODE_CODES, modeOf } from './modes.js'
import { TAG_BYTES } from './runs.js'

/** Of docs/wire/chunks.md. */
const VERSION = 1
const KINDS = { open: 1, parts: 2 } as const
const LEVELS = ['runs', 'chunks', 'pieces'] as const
const LEAST_TAG_BYTES = 5

/** What the parts that are asked about are. */
export type Level = (typeof LEVELS)[number]

/** A question is about smaller parts than the one before. */
export function levelIndex(level: Level): number {
  return LEVELS.indexOf(level)
}

export interface ObjectQuestion {
  readonly lengthBytes: number
  readonly kind: DigestKind
  readonly mode: ChunkMode
  readonly digest: Uint8Array
}

interface QuestionHead {
  /** With the first question only. */
  readonly object: ObjectQuestion | undefined
  readonly level: Level
  /** How many parts each stretch that is still missing is made of, in order; nothing where only the whole is asked about. */
  readonly counts: readonly number[]
}

export interface Question extends QuestionHead {
  /** Of all parts, one character a byte. */
  readonly tags: readonly string[]
}

export interface ReceivedQuestion extends QuestionHead {
  readonly tagBytes: number
  /** As above, one after the other: taken apart they would take several times as much. */
  readonly joinedTags: string
}

export function writeQuestion({ object, level, counts, tags }: Question): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(VERSION)
  writer.byte(object === undefined ? KINDS.parts : KINDS.open)
  if (object !== undefined) {
    writer.varint(object.lengthBytes)
    writer.byte(DIGEST_CODES[object.kind])
    writer.byte(MODE_CODES[object.mode])
    writer.bytes(object.digest)
    writer.byte(counts.length)
  }
  writer.byte(levelIndex(level))
  writer.byte(tags[0]?.length ?? TAG_BYTES)
  for (const count of counts) writer.varint(count)
  writer.bytes(Buffer.from(tags.join(''), 'latin1'))
  return writer.view().slice()
}

/** `missing` is how many stretches are missing so far; `mostTags` bounds what is kept of the question. */
export function readQuestion(bytes: Uint8Array, missing: number, mostTags: number): ReceivedQuestion {
  const reader = new ByteReader(bytes, 0)
  checkVersion(reader.byte())
  const kind = reader.byte()
  if (kind !== KINDS.open && kind !== KINDS.parts) throw corrupt(`a question of kind ${kind}`)
  const object = kind === KINDS.open ? readObject(reader) : undefined
  const stretches = object === undefined ? missing : reader.byte()
  if (object !== undefined && stretches > Math.min(1, object.lengthBytes)) throw corrupt('more stretches than the object has')
  const level = LEVELS[reader.byte()]
  const tagBytes = reader.byte()
  if (level === undefined || tagBytes < LEAST_TAG_BYTES || tagBytes > TAG_BYTES) throw corrupt('a question about parts of an unknown kind')
  let total = 0
  const counts = Array.from({ length: stretches }, () => {
    const count = reader.varint()
    total += count
    if (total > mostTags) throw pastLimit('the number of parts in a question', total, mostTags, 'raise limits.tags')
    if (count === 0) throw corrupt('a stretch without parts')
    return count
  })
  const joinedTags = Buffer.from(reader.take(total * tagBytes)).toString('latin1')
  reader.end()
  return { object, level, counts, tagBytes, joinedTags }
}

function readObject(reader: ByteReader): ObjectQuestion {
  const lengthBytes = reader.varint()
  const kind = digestKindOf(reader.byte())
  const mode = modeOf(reader.byte())
  if (kind === undefined || mode === undefined) throw corrupt('a question with a digest or chunks of an unknown kind')
  return { lengthBytes, kind, mode, digest: reader.take(DIGEST_BYTES[kind]) }
}

export interface Answer {
  /** Nothing needs to be sent. */
  readonly isWhole: boolean
  /** Objects are held that look like former versions: smaller parts may be found in them. */
  readonly hasRelated: boolean
  readonly held: readonly boolean[]
}

export function writeAnswer({ isWhole, hasRelated, held }: Answer): Uint8Array {
  const bits = Buffer.alloc(2 + Math.ceil(held.length / 8))
  bits[0] = VERSION
  bits[1] = (isWhole ? 1 : 0) + (hasRelated ? 2 : 0)
  for (const [index, isHeld] of held.entries()) if (isHeld) bits[2 + (index >> 3)] = (bits[2 + (index >> 3)] ?? 0) | (1 << (index % 8))
  return new Uint8Array(bits)
}

export function readAnswer(bytes: Uint8Array, parts: number): Answer {
  const reader = new ByteReader(bytes, 0)
  checkVersion(reader.byte())
  const flags = reader.byte()
  const isWhole = flags % 2 === 1
  if (flags > 3) throw corrupt(`an answer of kind ${flags}`)
  const bits = reader.take(isWhole ? 0 : Math.ceil(parts / 8))
  reader.end()
  const held = Array.from({ length: isWhole ? 0 : parts }, (_, index) => (((bits[index >> 3] ?? 0) >> (index % 8)) & 1) === 1)
  return { isWhole, hasRelated: flags >= 2, held }
}

function checkVersion(version: number): void {
  if (version !== VERSION) throw foreignVersion('a message about chunks', version, VERSION)
}
