import { expect, test } from 'vitest'
import { assemble, EXTERNREF, FUNCREF, I32, u32 } from '../../test/assembler.ts'
import { readModule } from './module-layout.js'
import { BULK, type Immediate, type Instruction, PLAIN, SIMD } from './opcodes.js'

declare const WebAssembly: { validate(bytes: Uint8Array): boolean }

/** Bytes that are right for an immediate, told apart by length: a decoder that reads one byte too few meets 0xff. */
const SAMPLES: Readonly<Record<Immediate, readonly number[]>> = {
  none: [],
  blocktype: [0x40],
  index: [0],
  indices: [0, 0],
  memory: [0],
  'memory-memory': [0, 0],
  'index-memory': [0, 0],
  'branch-table': [2, 0, 0, 0],
  memarg: [0, 0xff, 0xff, 0x03],
  'memarg-lane': [0, 0xff, 0x7f, 0],
  lane: [1],
  i32: [0xff, 0xff, 0xff, 0xff, 0x07],
  i64: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00],
  bytes4: [0xff, 0xff, 0xff, 0xff],
  bytes8: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  bytes16: Array.from({ length: 16 }, () => 0x1f),
  types: [1, I32],
  'reference-type': [FUNCREF],
}
const UNREACHABLE = 0x00
const END = 0x0b

/** Behind `unreachable` the stack is whatever an instruction needs, so each stands for itself. */
function bodyOf(opcode: readonly number[], immediate: Immediate): number[] {
  const instruction = [...opcode, ...SAMPLES[immediate]]
  if (opcode[0] === 0x05) return [UNREACHABLE, 0x04, 0x40, ...instruction, END, UNREACHABLE, END]
  if (opcode[0] === END) return [UNREACHABLE, END]
  const blockEnd = immediate === 'blocktype' ? [END] : []
  return [UNREACHABLE, ...instruction, ...blockEnd, UNREACHABLE, END]
}

function moduleOf(body: readonly number[], table = FUNCREF): Uint8Array {
  return assemble({
    tables: [[table, 0, 1]],
    globals: [[I32, 1, 0x41, 0, END]],
    elements: [[3, 0, 1, 0]],
    dataCount: 1,
    data: [[1, 1, 0]],
    functions: [[1, [UNREACHABLE, END]]],
    step: body,
  })
}

function cases(prefix: readonly number[], table: ReadonlyMap<number, Instruction>): (readonly [readonly number[], Immediate])[] {
  return [...table].flatMap(([opcode, instruction]) =>
    typeof instruction === 'string' ? [[prefix.length === 0 ? [opcode] : [...prefix, ...u32(opcode)], instruction] as const] : [],
  )
}

test('every instruction that is let through is one the engine knows, with the immediates it has there', () => {
  const all = [...cases([], PLAIN), ...cases([0xfc], BULK), ...cases([0xfd], SIMD)]
  expect(all.length).toBeGreaterThan(400)
  for (const [opcode, immediate] of all) {
    const body = bodyOf(opcode, immediate)
    const name = `${opcode.map((byte) => byte.toString(16)).join(' ')} (${immediate})`
    expect(WebAssembly.validate(moduleOf(body)), `engine, ${name}`).toBe(true)
    expect(() => readModule(moduleOf(body)), name).not.toThrow()
  }
})

test('an instruction that is not in the table is refused, also where the engine knows it', () => {
  const opcodes = [...Array(256).keys()]
    .filter((opcode) => opcode !== 0xfc && opcode !== 0xfd && !PLAIN.has(opcode))
    .map((opcode) => [opcode])
  for (let opcode = 0; opcode < 0x140; opcode++) {
    if (!BULK.has(opcode)) opcodes.push([0xfc, ...u32(opcode)])
    if (!SIMD.has(opcode)) opcodes.push([0xfd, ...u32(opcode)])
  }
  for (const opcode of opcodes)
    expect(() => readModule(moduleOf([UNREACHABLE, ...opcode, UNREACHABLE, END]))).toThrow(/unknown instruction/)
})

test('a branch table and a select with a type are read to their ends', () => {
  expect(() => readModule(moduleOf([UNREACHABLE, 0x0e, 3, 0, 0, 0, 0, END]))).not.toThrow()
  expect(() => readModule(moduleOf([UNREACHABLE, 0x1c, 1, EXTERNREF, UNREACHABLE, END], EXTERNREF))).not.toThrow()
})
