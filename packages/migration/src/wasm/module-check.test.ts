import { isDwcpError } from '@dwcp/interface'
import { describe, expect, test } from 'vitest'
import {
  assemble,
  EXTERNREF,
  exported,
  F32,
  F64,
  FUNCREF,
  I32,
  I64,
  i32Const,
  importedFunction,
  type Parts,
  text,
  V128,
} from '../../test/assembler.ts'
import { checkModule } from './module-check.js'

const END = 0x0b
const MIB = 1 << 20
const step = exported('step', 0, 0)
const zero = { i32: [0x41, 0, END], i64: [0x42, 0, END], f32: [0x43, 0, 0, 0, 0, END], f64: [0x44, 0, 0, 0, 0, 0, 0, 0, 0, END] }

function reasonOf(module: Uint8Array, maxMemoryBytes = MIB): string {
  try {
    checkModule(module, maxMemoryBytes)
  } catch (error) {
    if (isDwcpError(error, 'ERR_MIGRATION_UNSUPPORTED')) return String(error.details['reason'])
    throw error
  }
  throw new Error('the module was accepted')
}

describe('what cannot be carried is refused, with the reason', () => {
  const refusals: readonly (readonly [name: string, parts: Parts, reason: RegExp])[] = [
    ['no memory', { memories: [] }, /no memory/],
    [
      'two memories',
      {
        memories: [
          [0, 1],
          [0, 1],
        ],
      },
      /several memories/,
    ],
    ['a shared memory', { memories: [[3, 1, 1]] }, /shared/],
    ['a memory of 64-bit addresses', { memories: [[4, 1]] }, /64-bit/],
    ['a memory with pages of another size', { memories: [[8, 1, 0]] }, /unknown limits/],
    ['a memory larger than allowed', { memories: [[0, 17]] }, /17 pages.*16 are allowed/],
    ['an imported memory', { imports: [[...text('dwcp'), ...text('memory'), 2, 0, 1]], exports: [step] }, /imports a memory/],
    ['an imported table', { imports: [[...text('dwcp'), ...text('t'), 1, FUNCREF, 0, 1]], exports: [step] }, /imports a table/],
    ['an imported global', { imports: [[...text('dwcp'), ...text('g'), 3, I32, 0]], exports: [step] }, /imports a global/],
    ['a function of another module', { imports: [importedFunction('env', 'abort', 1)] }, /imports env\.abort/],
    ['a function that the host does not offer', { imports: [importedFunction('dwcp', 'sleep', 1)] }, /dwcp\.sleep, which does not exist/],
    ['a host function of another type', { imports: [importedFunction('dwcp', 'now', 1)] }, /its type is \(->f64\)/],
    ['no step', { exports: [exported('stop', 0, 0)] }, /does not export the function step/],
    ['a step that is no function', { exports: [exported('step', 2, 0)] }, /does not export the function step/],
    ['a step of another type', { functions: [[1, [END]]], exports: [exported('step', 0, 1)] }, /its function step is \(->\)/],
    ['an init of another type', { exports: [step, exported('init', 0, 0)] }, /its function init is/],
    ['an exported table', { tables: [[FUNCREF, 0, 1]], exports: [step, exported('table', 1, 0)] }, /exports the table/],
    ['an export under a name of the host', { exports: [step, exported('$dwcp.get0', 0, 0)] }, /are the host's/],
    ['two exports of one name', { exports: [step, step] }, /two exports/],
    ['a mutable vector', { globals: [[V128, 1, 0xfd, 12, ...Array.from({ length: 16 }, () => 0), END]] }, /is a v128/],
    ['a mutable reference', { globals: [[EXTERNREF, 1, 0xd0, EXTERNREF, END]] }, /is a externref/],
    ['table.set', { step: [...i32Const(0), 0x26, 0, END] }, /table\.set/],
    ['table.init', { step: [0xfc, 12, 0, 0, END] }, /table\.init/],
    ['elem.drop', { step: [0xfc, 13, 0, END] }, /elem\.drop/],
    ['table.copy', { step: [0xfc, 14, 0, 0, END] }, /table\.copy/],
    ['table.grow', { step: [0xfc, 15, 0, END] }, /table\.grow/],
    ['table.fill', { step: [0xfc, 17, 0, END] }, /table\.fill/],
    ['data.drop', { step: [0xfc, 9, 0, END] }, /data\.drop/],
    ['an atomic instruction', { step: [0xfe, 0x10, 2, 0, END] }, /threads/],
    ['relaxed SIMD', { step: [0xfd, 0x80, 0x02, END] }, /relaxed/],
    ['exceptions', { step: [0x08, 0, END] }, /exception/],
    ['the collector of the engine', { step: [0xfb, 0, 0, END] }, /garbage collector/],
    ['a structure type', { types: [[0x5f, 0]] }, /types other than functions/],
    ['an unknown instruction', { step: [0xf0, END] }, /unknown instruction/],
    ['another memory in an instruction', { step: [0x3f, 1, END] }, /several memories/],
    ['an address in another memory', { step: [0x28, 0x42, 1, 0, END] }, /several memories/],
    ['data of another memory', { data: [[2, 1, 0x41, 0, END, 0]] }, /other than the first/],
    ['an element segment of no known kind', { elements: [[8]] }, /unknown kind/],
    ['tags', { tail: [13, 1, 0] }, /exception/],
    ['an unknown section', { tail: [14, 1, 0] }, /unknown section 14/],
    ['a section out of order', { tail: [1, 1, 0] }, /out of order/],
    ['a block of an unknown type', { step: [0x02, 0x63, END, END] }, /unknown type/],
    ['a parameter of an unknown type', { types: [[0x60, 1, 0x60, 0]] }, /unknown type/],
  ]
  test.each(refusals)('%s', (_, parts, reason) => {
    expect(reasonOf(assemble(parts))).toMatch(reason)
  })

  test('whatever is cut off', () => {
    const module = assemble({ globals: [[I64, 1, ...zero.i64]], data: [[0, 0x41, 0, END, 3, 1, 2, 3]] })
    for (let length = 0; length < module.length; length++) {
      // A cut between two sections may leave a module that is well-formed; it then lacks what comes last.
      const layout = (): unknown => checkModule(module.subarray(0, length), MIB)
      try {
        layout()
      } catch (error) {
        expect(isDwcpError(error, 'ERR_MIGRATION_UNSUPPORTED')).toBe(true)
      }
    }
    expect(reasonOf(module.subarray(0, module.length - 1))).toMatch(/malformed/)
  })

  test('counts that announce more than there is', () => {
    expect(reasonOf(assemble({ tail: [0, 0xff, 0xff, 0xff, 0xff, 0x0f] }))).toMatch(/announced/)
    expect(reasonOf(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toMatch(/items announced/)
    expect(reasonOf(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x10]))).toMatch(/more than 32 bits/)
  })
})

describe('what keeps the ABI is accepted', () => {
  const accepted: readonly (readonly [name: string, parts: Parts])[] = [
    ['nothing but step', {}],
    [
      'mutable numbers of all kinds',
      {
        globals: [
          [I32, 1, ...zero.i32],
          [I64, 1, ...zero.i64],
          [F32, 1, ...zero.f32],
          [F64, 1, ...zero.f64],
        ],
      },
    ],
    ['constant globals of any kind', { globals: [[EXTERNREF, 0, 0xd0, EXTERNREF, END]] }],
    ['a table that nobody changes', { tables: [[FUNCREF, 0, 1]], elements: [[0, 0x41, 0, END, 1, 0]] }],
    [
      'element segments written as expressions',
      {
        tables: [[FUNCREF, 0, 2]],
        elements: [
          [4, 0x41, 0, END, 1, 0xd2, 0, END],
          [5, FUNCREF, 1, 0xd0, FUNCREF, END],
        ],
      },
    ],
    [
      'passive data that is never dropped',
      { dataCount: 1, data: [[1, 2, 7, 8]], step: [...i32Const(0), ...i32Const(0), ...i32Const(2), 0xfc, 8, 0, 0, ...i32Const(0), END] },
    ],
    ['a tail call', { step: [0x20, 0, 0x12, 0, END] }],
    ['a custom section', { tail: [0, 3, 1, 0x61, 9] }],
  ]
  test.each(accepted)('%s', (_, parts) => {
    expect(checkModule(assemble(parts), MIB).initialPages).toBe(1)
  })

  test("the memory may grow to the lesser of the module's maximum and the host's bound", () => {
    expect(checkModule(assemble({ memories: [[1, 1, 5]] }), MIB).maximumPages).toBe(5)
    expect(checkModule(assemble({ memories: [[1, 1, 50]] }), MIB).maximumPages).toBe(16)
    expect(checkModule(assemble(), MIB).maximumPages).toBe(16)
    expect(checkModule(assemble({ memories: [[0, 16]] }), MIB).initialPages).toBe(16)
  })
})
