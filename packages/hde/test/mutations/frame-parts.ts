import { ByteReader } from '../../src/byte-reader.ts'
import { PAGE_DELTA } from '../../src/packing.ts'
import { HASH_BYTES } from '../../src/state/frame.ts'
import { countChanged, OUTCOMES } from '../../src/state/outcomes.ts'
import { bytesPart, measureOf, numberPart, type Part } from './parts.ts'

/** A frame of kind pages (docs/wire/hde.md), taken apart down to the streams of its page delta. */
export function pagesFrameParts(frame: Uint8Array): Part[] {
  const reader = new ByteReader(frame.subarray(0, -HASH_BYTES), 0)
  const parts: Part[] = [bytesPart(reader.take(2))]
  const number = (): number => {
    const value = reader.varint()
    parts.push(numberPart(value))
    return value
  }
  number()
  number()
  const count = number()
  for (let named = 0; named < count; ) {
    number()
    named += number() + 1
  }
  const outcomes = new Uint8Array(count)
  for (let at = 0; at < count; ) {
    const run = number()
    const length = Math.floor(run / 8) + 1
    outcomes.fill(run % 8, at, at + length)
    at += length
  }
  for (const outcome of outcomes) if (outcome === OUTCOMES.duplicate) number()
  if (countChanged(outcomes) > 0) {
    const method = reader.byte()
    parts.push(bytesPart([method]))
    if (method === PAGE_DELTA) for (let left = number(); left > 0; left -= 1) number()
    parts.push(...(method === PAGE_DELTA ? pageDeltaParts(reader.rest()) : [bytesPart(reader.rest())]))
  }
  return [...parts, bytesPart(frame.subarray(-HASH_BYTES))]
}

export function pageDeltaParts(delta: Uint8Array): Part[] {
  const reader = new ByteReader(delta, 0)
  const named = reader.varint()
  const parts: Part[] = [numberPart(named)]
  for (let left = named; left > 0; left -= 1) parts.push(numberPart(reader.varint()))
  while (!reader.atEnd) {
    const head = reader.varint()
    const bytes = bytesPart(reader.take(Math.floor(head / 4)))
    parts.push(measureOf(bytes, 4, head % 4), bytes)
  }
  return parts
}

/** A delta stream (docs/wire/delta.md). Where a stream is raw its decoded length follows it too. */
export function deltaStreamParts(stream: Uint8Array): Part[] {
  const reader = new ByteReader(stream, 0)
  const parts: Part[] = [bytesPart(reader.take(8))]
  while (!reader.atEnd) {
    const frame = new ByteReader(reader.take(reader.varint()), 0)
    const kind = frame.byte()
    const numbers = (count: number): Part[] => Array.from({ length: count }, () => numberPart(frame.varint()))
    if (kind === 1) parts.push({ kind: 'sized', parts: [bytesPart([kind, frame.byte()]), ...numbers(2), bytesPart(frame.rest())] })
    else if (kind === 3) parts.push({ kind: 'sized', parts: [bytesPart([kind]), ...numbers(1), bytesPart(frame.rest())] })
    else {
      const head = [bytesPart([kind]), ...numbers(4)]
      const heads = Array.from({ length: 6 }, () => ({ length: frame.varint(), method: frame.byte(), packed: frame.varint() }))
      const streams = heads.map(({ packed }) => bytesPart(frame.take(packed)))
      const described = heads.flatMap(({ length, method }, index): Part[] => {
        const bytes = streams[index] ?? bytesPart([])
        return [method === 0 ? measureOf(bytes) : numberPart(length), bytesPart([method]), measureOf(bytes)]
      })
      parts.push({ kind: 'sized', parts: [...head, ...described, ...streams, bytesPart(frame.rest())] })
    }
  }
  return parts
}

/** A batch of documents (docs/wire/documents.md). */
export function documentParts(batch: Uint8Array): Part[] {
  const reader = new ByteReader(batch, 0)
  const head = reader.take(2)
  const [count, columnBytes, payloadBytes] = [reader.varint(), reader.varint(), reader.varint()]
  const described = payloadBytes > 0 ? [numberPart(reader.varint()), bytesPart([reader.byte()])] : []
  const formers = bytesPart(reader.take(((head[1] ?? 0) & 4) === 0 ? 0 : 4))
  const columns = bytesPart(reader.take(columnBytes))
  const [payload, check] = [bytesPart(reader.take(batch.length - reader.offset - 8)), bytesPart(reader.rest())]
  const isRaw = described[1]?.kind === 'bytes' && described[1].bytes[0] === 0
  const length = isRaw ? measureOf(payload) : numberPart(payloadBytes)
  return [bytesPart(head), numberPart(count), measureOf(columns), length, ...described, formers, columns, payload, check]
}

/** A question about chunks (docs/wire/chunks.md). */
export function questionParts(question: Uint8Array): Part[] {
  const reader = new ByteReader(question, 0)
  const head = reader.take(2)
  const parts: Part[] = [bytesPart(head)]
  if (head[1] === 1) {
    parts.push(numberPart(reader.varint()))
    const kind = reader.take(2)
    parts.push(bytesPart(kind), bytesPart(reader.take(kind[0] === 2 ? 32 : 16)), bytesPart(reader.take(1)))
  }
  const [level = 0, tagBytes = 0] = reader.take(2)
  parts.push(bytesPart([level, tagBytes]))
  const rest = reader.rest()
  // Whoever is asked knows how many stretches there are; their counts and the tags together are as long as what is left.
  for (let stretches = 0; ; stretches += 1) {
    const counts = new ByteReader(rest, 0)
    const list = Array.from({ length: stretches }, () => counts.varint())
    const tags = list.reduce((sum, count) => sum + count, 0)
    if (counts.offset + tags * tagBytes !== rest.length) continue
    parts.push(...list.map(numberPart), ...Array.from({ length: tags }, () => bytesPart(counts.take(tagBytes))))
    return parts
  }
}

export function answerParts(answer: Uint8Array): Part[] {
  return [bytesPart(answer.subarray(0, 2)), bytesPart(answer.subarray(2))]
}

/** A stream of chunks. */
export function chunkStreamParts(stream: Uint8Array): Part[] {
  const reader = new ByteReader(stream, 0)
  const parts: Part[] = [bytesPart(reader.take(8))]
  while (!reader.atEnd) {
    const frame = new ByteReader(reader.take(reader.varint()), 0)
    const kind = frame.byte()
    if (kind === 2) parts.push({ kind: 'sized', parts: [bytesPart([kind]), numberPart(frame.varint()), bytesPart(frame.rest())] })
    else {
      const flag = frame.byte()
      const count = frame.varint()
      const lengths = Array.from({ length: count }, () => numberPart(frame.varint()))
      const body = [bytesPart([frame.byte()]), bytesPart(frame.rest())]
      parts.push({ kind: 'sized', parts: [bytesPart([kind, flag]), numberPart(count), ...lengths, ...body] })
    }
  }
  return parts
}

/** A frame of one small object (docs/wire/dictionaries.md). */
export function objectFrameParts(frame: Uint8Array): Part[] {
  const method = (frame[0] ?? 0) & 15
  const body = method === 3 ? 9 : 1
  return [
    bytesPart(frame.subarray(0, 1)),
    ...(body > 1 ? [bytesPart(frame.subarray(1, body))] : []),
    bytesPart(frame.subarray(body, -8)),
    bytesPart(frame.subarray(-8)),
  ]
}

/** A dictionary ahead of an object (docs/wire/dictionaries.md). */
export function dictionaryAheadParts(stream: Uint8Array): Part[] {
  const reader = new ByteReader(stream, 0)
  const magic = bytesPart(reader.take(8))
  return [magic, { kind: 'sized', parts: objectFrameParts(reader.take(reader.varint())) }, ...objectFrameParts(reader.rest())]
}

/** A stream of pages (docs/wire/objects.md). */
export function pageStreamParts(stream: Uint8Array): Part[] {
  const reader = new ByteReader(stream, 0)
  const magic = bytesPart(reader.take(8))
  const head = new ByteReader(reader.take(reader.varint()), 0)
  const front = [bytesPart(head.take(2)), { kind: 'sized', parts: [bytesPart(head.take(head.varint()))] } satisfies Part]
  const numbers: Part[] = []
  while (!head.atEnd) numbers.push(numberPart(head.varint()))
  return [magic, { kind: 'sized', parts: [...front, ...numbers] }, ...deltaStreamParts(reader.rest())]
}

/** A stream of documents (docs/wire/objects.md). */
export function documentStreamParts(stream: Uint8Array): Part[] {
  const reader = new ByteReader(stream, 0)
  const parts: Part[] = [bytesPart(reader.take(8))]
  while (!reader.atEnd) {
    const frame = new ByteReader(reader.take(reader.varint()), 0)
    const kind = frame.byte()
    if (kind === 1) parts.push({ kind: 'sized', parts: [bytesPart([kind, frame.byte()]), numberPart(frame.varint())] })
    else if (kind === 3) parts.push({ kind: 'sized', parts: [bytesPart([kind]), bytesPart(frame.rest())] })
    else parts.push({ kind: 'sized', parts: [bytesPart([kind]), numberPart(frame.varint()), ...documentParts(frame.rest())] })
  }
  return parts
}
