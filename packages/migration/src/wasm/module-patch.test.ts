import { readFile } from 'node:fs/promises'
import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assemble, exported, F32, F64, I32, I64, i32Const, u32 } from '../../test/assembler.ts'
import { checkModule } from './module-check.js'
import { PATCHED_MEMORY, PATCHED_START, patchedGetter, patchedSetter, patchModule } from './module-patch.js'
import { type BundledWorkload, workloadPath } from './package-files.js'
import { engine } from './webassembly.js'

declare const WebAssembly: { validate(bytes: Uint8Array): boolean }
const END = 0x0b
const MIB = 1 << 20

function instance(module: Uint8Array, restore = false): Readonly<Record<string, unknown>> {
  const bytes = patchModule(checkModule(module, MIB), { restore })
  const nothing = (): number => 0
  const dwcp = { now: nothing, random: nothing, receive: nothing, reply: nothing, log: nothing, wake: nothing }
  return new engine.Instance(new engine.Module(bytes), { dwcp }).exports
}

function call(exports: Readonly<Record<string, unknown>>, name: string, ...values: readonly unknown[]): unknown {
  const target = exports[name]
  if (typeof target !== 'function') throw new TypeError(`${name} is not a function`)
  return target(...values)
}

function memoryOf(exports: Readonly<Record<string, unknown>>): Uint8Array {
  const memory = exports[PATCHED_MEMORY]
  if (!(memory instanceof engine.Memory)) throw new TypeError('no memory')
  return new Uint8Array(memory.buffer)
}

const GLOBALS = [
  [I32, 1, 0x41, 0x7f, END],
  [I64, 0, 0x42, 5, END],
  [I64, 1, 0x42, 0x7e, END],
  [F32, 1, 0x43, 0, 0, 0x80, 0x3f, END],
  [F64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, END],
]

test('mutable globals that the module hides are read and set, constant ones are left alone', () => {
  const exports = instance(assemble({ globals: GLOBALS }))
  expect([0, 1, 2, 3].map((position) => call(exports, patchedGetter(position)))).toEqual([-1, -2n, 0x3f800000, 0x3ff0000000000000n])
  expect(exports[patchedGetter(4)]).toBeUndefined()
})

test('every bit of a number survives, the payload of a signalling NaN too', () => {
  const exports = instance(assemble({ globals: GLOBALS }))
  const bits: readonly (number | bigint)[] = [-2147483648, -(2n ** 63n), 0x7fa12345, 0x7ff4000000abcdefn]
  for (const [position, value] of bits.entries()) call(exports, patchedSetter(position), value)
  expect(bits.map((_, position) => call(exports, patchedGetter(position)))).toEqual(bits)
  fc.assert(
    fc.property(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (word, wide) => {
      call(exports, patchedSetter(2), word)
      call(exports, patchedSetter(3), wide)
      return call(exports, patchedGetter(2)) === word && call(exports, patchedGetter(3)) === wide
    }),
  )
})

test('the start function does not run by itself, and can be called', () => {
  const store = [...i32Const(64), ...i32Const(7), 0x36, 2, 0, END]
  const exports = instance(assemble({ functions: [[1, store]], start: 1 }))
  expect(memoryOf(exports)[64]).toBe(0)
  call(exports, PATCHED_START)
  expect(memoryOf(exports)[64]).toBe(7)
})

test('a restored memory begins all zero, and passive data is still there', () => {
  const init = [...i32Const(128), ...i32Const(0), ...i32Const(2), 0xfc, 8, 1, 0, ...i32Const(0), END]
  const module = assemble({
    dataCount: 2,
    data: [
      [0, ...i32Const(8), END, 3, 1, 2, 3],
      [1, 2, 8, 9],
    ],
    step: init,
  })
  expect([...memoryOf(instance(module)).subarray(8, 11)]).toEqual([1, 2, 3])
  const restored = instance(module, true)
  expect(memoryOf(restored).every((byte) => byte === 0)).toBe(true)
  call(restored, 'step', 1)
  expect([...memoryOf(restored).subarray(128, 130)]).toEqual([8, 9])
})

test('the memory cannot grow past the bound', () => {
  const grow = [0x20, 0, 0x40, 0, END]
  const exports = instance(assemble({ memories: [[0, 1]], step: grow }))
  expect(call(exports, 'step', 15)).toBe(1)
  expect(call(exports, 'step', 1)).toBe(-1)
})

test('sections with long counts are extended', () => {
  const functions = Array.from({ length: 200 }, () => [1, [END]] as const)
  const globals = Array.from({ length: 150 }, (_, i) => [I32, 1, ...i32Const(i), END])
  const exports = instance(
    assemble({ functions, globals, exports: [exported('step', 0, 0), ...functions.map((_, i) => exported(`f${i}`, 0, i + 1))] }),
  )
  expect(call(exports, patchedGetter(149))).toBe(149)
  expect(u32(200)).toHaveLength(2)
})

const bundled: readonly BundledWorkload[] = ['hash-chain', 'kv', 'simulation']
test.each(bundled)(
  'no damage to the module of %s gets past the check unless the engine accepts the patched result or refuses it cleanly',
  async (name) => {
    const module = new Uint8Array(await readFile(workloadPath(name)))
    let accepted = 0
    let refused = 0
    const damage = fc.array(fc.tuple(fc.nat(module.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = module.slice()
        for (const [offset, value] of changes) damaged[offset] = value
        try {
          const checked = checkModule(damaged, MIB)
          const patched = patchModule(checked, { restore: true })
          accepted++
          // What the engine holds to be sound stays sound: the patch adds, it never breaks.
          if (WebAssembly.validate(damaged)) expect(WebAssembly.validate(patched)).toBe(true)
        } catch (error) {
          if (!isDwcpError(error, 'ERR_MIGRATION_UNSUPPORTED')) throw error
          refused++
        }
      }),
      { numRuns: 1500 },
    )
    expect(accepted).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
  },
)
