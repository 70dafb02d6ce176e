/**
 * The instructions of WebAssembly 2.0 (and tail calls), by what follows the opcode:
 * https://webassembly.github.io/spec/core/binary/instructions.html
 *
 * A decoder that knows every immediate cannot be led to take data for an instruction, so whatever is not listed is refused.
 */
export type Immediate =
  | 'none'
  | 'blocktype'
  /** One index. */
  | 'index'
  /** Two indices. */
  | 'indices'
  /** An index of a memory, which must be the only one. */
  | 'memory'
  | 'memory-memory'
  | 'index-memory'
  | 'branch-table'
  | 'memarg'
  | 'memarg-lane'
  | 'lane'
  | 'i32'
  | 'i64'
  | 'bytes4'
  | 'bytes8'
  | 'bytes16'
  | 'types'
  | 'reference-type'

/** An immediate that is decoded, or the reason why the instruction is refused. */
export type Instruction = Immediate | { readonly refused: string }

const exceptions = { refused: 'it uses exception handling, whose state cannot be carried' }
const threads = { refused: 'it uses threads or atomic instructions' }
const collector = { refused: 'it uses typed references or the garbage collector of the engine' }
const table = (name: string): Instruction => ({ refused: `it changes a table (${name}), and tables cannot be carried` })
const relaxed = { refused: 'it uses relaxed SIMD, whose results differ between machines' }

/** One-byte opcodes; 0xFC, 0xFD and the refused prefixes lead to the tables below. */
export const PLAIN: ReadonlyMap<number, Instruction> = tableOf([
  [0x00, 0x01, 'none'],
  [0x02, 0x04, 'blocktype'],
  [0x05, 0x05, 'none'],
  [0x06, 0x0a, exceptions],
  [0x0b, 0x0b, 'none'],
  [0x0c, 0x0d, 'index'],
  [0x0e, 0x0e, 'branch-table'],
  [0x0f, 0x0f, 'none'],
  [0x10, 0x10, 'index'],
  [0x11, 0x11, 'indices'],
  [0x12, 0x12, 'index'],
  [0x13, 0x13, 'indices'],
  [0x14, 0x15, collector],
  [0x18, 0x19, exceptions],
  [0x1a, 0x1b, 'none'],
  [0x1c, 0x1c, 'types'],
  [0x1f, 0x1f, exceptions],
  [0x20, 0x25, 'index'],
  [0x26, 0x26, table('table.set')],
  [0x28, 0x3e, 'memarg'],
  [0x3f, 0x40, 'memory'],
  [0x41, 0x41, 'i32'],
  [0x42, 0x42, 'i64'],
  [0x43, 0x43, 'bytes4'],
  [0x44, 0x44, 'bytes8'],
  [0x45, 0xc4, 'none'],
  [0xd0, 0xd0, 'reference-type'],
  [0xd1, 0xd1, 'none'],
  [0xd2, 0xd2, 'index'],
  [0xd3, 0xd6, collector],
  [0xfb, 0xfb, collector],
  [0xfe, 0xfe, threads],
])

/** Behind 0xFC: saturating conversions, bulk memory, tables. */
export const BULK: ReadonlyMap<number, Instruction> = tableOf([
  [0, 7, 'none'],
  [8, 8, 'index-memory'],
  [9, 9, { refused: 'it drops a data segment (data.drop), and dropped segments cannot be carried' }],
  [10, 10, 'memory-memory'],
  [11, 11, 'memory'],
  [12, 12, table('table.init')],
  [13, 13, table('elem.drop')],
  [14, 14, table('table.copy')],
  [15, 15, table('table.grow')],
  [16, 16, 'index'],
  [17, 17, table('table.fill')],
])

/** Behind 0xFD: SIMD of 128 bits. The numbers left out stand for no instruction. */
export const SIMD: ReadonlyMap<number, Instruction> = tableOf([
  [0x00, 0x0b, 'memarg'],
  [0x0c, 0x0d, 'bytes16'],
  [0x0e, 0x14, 'none'],
  [0x15, 0x22, 'lane'],
  [0x23, 0x53, 'none'],
  [0x54, 0x5b, 'memarg-lane'],
  [0x5c, 0x5d, 'memarg'],
  [0x5e, 0x99, 'none'],
  [0x9b, 0xa1, 'none'],
  [0xa3, 0xa4, 'none'],
  [0xa7, 0xae, 'none'],
  [0xb1, 0xb1, 'none'],
  [0xb5, 0xba, 'none'],
  [0xbc, 0xc1, 'none'],
  [0xc3, 0xc4, 'none'],
  [0xc7, 0xce, 'none'],
  [0xd1, 0xd1, 'none'],
  [0xd5, 0xe1, 'none'],
  [0xe3, 0xed, 'none'],
  [0xef, 0xff, 'none'],
  [0x100, 0x113, relaxed],
])

function tableOf(rows: readonly (readonly [first: number, last: number, instruction: Instruction])[]): ReadonlyMap<number, Instruction> {
  const byOpcode = new Map<number, Instruction>()
  for (const [first, last, instruction] of rows) for (let opcode = first; opcode <= last; opcode++) byOpcode.set(opcode, instruction)
  return byOpcode
}
