import { ByteWriter } from '../../src/byte-writer.ts'

/** A run of bytes that means one thing. */
export interface BytesPart {
  readonly kind: 'bytes'
  bytes: Uint8Array
}

/** A varint. Where it says how long another part is, it follows that part's mutations unless it is mutated itself. */
export interface NumberPart {
  readonly kind: 'number'
  value: number
  measures?: { readonly part: BytesPart; readonly times: number; readonly plus: number } | undefined
}

/** Parts behind their length, as a varint. */
export interface SizedPart {
  readonly kind: 'sized'
  readonly parts: Part[]
}

/** What frames are made of, so that mutants can be repaired around what was changed and reach the code behind the first checks. */
export type Part = BytesPart | NumberPart | SizedPart

export function bytesPart(bytes: Uint8Array | readonly number[]): BytesPart {
  return { kind: 'bytes', bytes: Uint8Array.from(bytes) }
}

export function numberPart(value: number): NumberPart {
  return { kind: 'number', value }
}

/** The length of `part`, times and plus what else the number says. */
export function measureOf(part: BytesPart, times = 1, plus = 0): NumberPart {
  return { kind: 'number', value: 0, measures: { part, times, plus } }
}

export function serialized(parts: readonly Part[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map(serializedPart)))
}

function serializedPart(part: Part): Uint8Array {
  if (part.kind === 'bytes') return part.bytes
  const writer = new ByteWriter()
  if (part.kind === 'sized') {
    const content = serialized(part.parts)
    writer.varint(content.length)
    return Buffer.concat([writer.view(), content])
  }
  const { measures, value } = part
  writer.varint(measures === undefined ? value : measures.part.bytes.length * measures.times + measures.plus)
  return writer.view()
}
