import { type ByteReader, malformed } from './byte-reader.js'
import { unsupported } from './errors.js'
import { BULK, type Immediate, type Instruction, PLAIN, SIMD } from './opcodes.js'

const END = 0x0b
const EMPTY_BLOCK = 0x40
/** i32, i64, f32, f64, v128, funcref, externref. */
export const VALUE_TYPES: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f])
const REFERENCE_TYPES: ReadonlySet<number> = new Set([0x70, 0x6f])

/** Reads a function's code to its end and throws `ERR_MIGRATION_UNSUPPORTED` at the first instruction that cannot be carried. */
export function scanBody(reader: ByteReader): void {
  let opcode = -1
  while (!reader.done) opcode = scanInstruction(reader)
  if (opcode !== END) throw malformed('a function does not end with `end`', reader.offset)
}

/** Reads a constant expression with its `end`. */
export function scanExpression(reader: ByteReader): void {
  while (scanInstruction(reader) !== END);
}

function scanInstruction(reader: ByteReader): number {
  const offset = reader.offset
  const opcode = reader.u8()
  let instruction: Instruction | undefined
  let name = `0x${opcode.toString(16)}`
  if (opcode === 0xfc || opcode === 0xfd) {
    const second = reader.u32()
    name += ` ${second}`
    instruction = (opcode === 0xfc ? BULK : SIMD).get(second)
  } else {
    instruction = PLAIN.get(opcode)
  }
  if (instruction === undefined) throw unsupported(`unknown instruction ${name} at byte ${offset}`, { opcode: name, offset })
  if (typeof instruction === 'object')
    throw unsupported(`${instruction.refused} (instruction ${name} at byte ${offset})`, { opcode: name, offset })
  readImmediate(reader, instruction)
  return opcode
}

function readImmediate(reader: ByteReader, immediate: Immediate): void {
  switch (immediate) {
    case 'none':
      return
    case 'blocktype':
      return blockType(reader)
    case 'index':
      reader.u32()
      return
    case 'indices':
      reader.u32()
      reader.u32()
      return
    case 'memory':
      return onlyMemory(reader)
    case 'memory-memory':
      onlyMemory(reader)
      return onlyMemory(reader)
    case 'index-memory':
      reader.u32()
      return onlyMemory(reader)
    case 'branch-table': {
      const targets = reader.count()
      for (let i = 0; i <= targets; i++) reader.u32()
      return
    }
    case 'memarg':
      return memoryArgument(reader)
    case 'memarg-lane':
      memoryArgument(reader)
      reader.skip(1)
      return
    case 'lane':
      reader.skip(1)
      return
    case 'i32':
      return reader.skipSigned(5)
    case 'i64':
      return reader.skipSigned(10)
    case 'bytes4':
      return reader.skip(4)
    case 'bytes8':
      return reader.skip(8)
    case 'bytes16':
      return reader.skip(16)
    case 'types': {
      const types = reader.count()
      for (let i = 0; i < types; i++) valueType(reader, VALUE_TYPES)
      return
    }
    case 'reference-type':
      return valueType(reader, REFERENCE_TYPES)
  }
}

function blockType(reader: ByteReader): void {
  const first = reader.bytes[reader.offset] ?? 0
  // A single byte with bit 6 set is a negative number, which is how a type is told from an index.
  if (first < 0x80 && (first & 0x40) !== 0) {
    if (first !== EMPTY_BLOCK && !VALUE_TYPES.has(first)) throw unsupported(`a block has the unknown type 0x${first.toString(16)}`)
    reader.skip(1)
  } else {
    reader.skipSigned(5)
  }
}

function valueType(reader: ByteReader, known: ReadonlySet<number>): void {
  const type = reader.u8()
  if (!known.has(type)) throw unsupported(`it uses the unknown type 0x${type.toString(16)}`)
}

function memoryArgument(reader: ByteReader): void {
  const alignment = reader.u32()
  if (alignment >= 0x40) throw unsupported('it addresses several memories')
  reader.u32()
}

function onlyMemory(reader: ByteReader): void {
  if (reader.u32() !== 0) throw unsupported('it addresses several memories')
}
