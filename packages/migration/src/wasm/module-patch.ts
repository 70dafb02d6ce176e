import { leb128 } from './byte-reader.js'
import { type CheckedModule, RESERVED_PREFIX } from './module-check.js'
import { SECTION, type Section } from './module-layout.js'

const I32 = 0x7f
const I64 = 0x7e
const END = 0x0b
const CONVERSION: Readonly<
  Record<string, { readonly through: number; readonly toBits: readonly number[]; readonly fromBits: readonly number[] }>
> = {
  i32: { through: I32, toBits: [], fromBits: [] },
  i64: { through: I64, toBits: [], fromBits: [] },
  // Floats cross as integers: a number of JavaScript keeps no payload of a NaN.
  f32: { through: I32, toBits: [0xbc], fromBits: [0xbe] },
  f64: { through: I64, toBits: [0xbd], fromBits: [0xbf] },
}
const FUNCTION = 0
const MEMORY = 2

/** Names under which the patched module shows its inside; those of a global count its position in `mutableGlobals`. */
export const PATCHED_MEMORY: string = `${RESERVED_PREFIX}memory`
export const PATCHED_START: string = `${RESERVED_PREFIX}start`
export const patchedGetter = (position: number): string => `${RESERVED_PREFIX}get${position}`
export const patchedSetter = (position: number): string => `${RESERVED_PREFIX}set${position}`

/**
 * Rewrites a checked binary so that its whole state can be read and set from outside: exports the memory, adds two small
 * functions for each mutable global (also those the compiler hides), and makes the start function an export that the
 * host calls itself, since a restored instance must not run it again.
 *
 * @param restore - Empties the data segments too: the pages that arrive are the whole memory, what is not among them is zero.
 */
export function patchModule(module: CheckedModule, options: { readonly restore: boolean }): Uint8Array<ArrayBuffer> {
  const { layout, mutableGlobals } = module
  const firstType = layout.signatures.length
  const firstFunction = layout.imports.length + layout.functions.length
  const exports: Uint8Array[] = [exported(PATCHED_MEMORY, MEMORY, 0)]
  if (layout.startFunction !== undefined) exports.push(exported(PATCHED_START, FUNCTION, layout.startFunction))
  const types: Uint8Array[] = []
  const bodies: Uint8Array[] = []
  for (const [position, index] of mutableGlobals.entries()) {
    const { through, toBits, fromBits } = CONVERSION[layout.globals[index]?.type ?? ''] ?? { through: I32, toBits: [], fromBits: [] }
    const kind = through === I32 ? 0 : 2
    types.push(leb128(firstType + kind), leb128(firstType + kind + 1))
    bodies.push(body([0x23, ...leb128(index), ...toBits, END]), body([0x20, 0, ...fromBits, 0x24, ...leb128(index), END]))
    exports.push(exported(patchedGetter(position), FUNCTION, firstFunction + 2 * position))
    exports.push(exported(patchedSetter(position), FUNCTION, firstFunction + 2 * position + 1))
  }
  const signatures = [I32, I64].flatMap((type) => [Uint8Array.of(0x60, 0, 1, type), Uint8Array.of(0x60, 1, type, 0)])
  const sections: Uint8Array[] = [Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)]
  for (const section of layout.sections) {
    if (section.id === SECTION.start) continue
    if (section.id === SECTION.type) sections.push(extended(section, layout.signatures.length, signatures))
    else if (section.id === SECTION.function) sections.push(extended(section, layout.functions.length, types))
    else if (section.id === SECTION.memory)
      sections.push(framed(SECTION.memory, [Uint8Array.of(1, 1), leb128(module.initialPages), leb128(module.maximumPages)]))
    else if (section.id === SECTION.export) sections.push(extended(section, layout.exports.size, exports))
    else if (section.id === SECTION.code) sections.push(extended(section, layout.functions.length, bodies))
    else if (section.id === SECTION.data && options.restore) sections.push(framed(SECTION.data, emptied(module)))
    else sections.push(framed(section.id, [section.bytes]))
  }
  return concat(sections)
}

/** Data of an active segment is already in the memory that arrives; passive segments stay, `memory.init` may still read them. */
function emptied({ layout }: CheckedModule): Uint8Array[] {
  const segments = layout.data.flatMap((segment) => {
    const bytes = segment.flag === 0 ? new Uint8Array(0) : segment.bytes
    return [leb128(segment.flag), segment.offset, leb128(bytes.length), bytes]
  })
  return [leb128(layout.data.length), ...segments]
}

function extended(section: Section, count: number, items: readonly Uint8Array[]): Uint8Array {
  let countBytes = 1
  while ((section.bytes[countBytes - 1] ?? 0) >= 0x80) countBytes++
  return framed(section.id, [leb128(count + items.length), section.bytes.subarray(countBytes), ...items])
}

function exported(name: string, kind: number, index: number): Uint8Array {
  const bytes = new TextEncoder().encode(name)
  return concat([leb128(bytes.length), bytes, Uint8Array.of(kind), leb128(index)])
}

function body(code: readonly number[]): Uint8Array {
  return concat([leb128(code.length + 1), Uint8Array.of(0), Uint8Array.from(code)])
}

function framed(id: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(parts)
  return concat([Uint8Array.of(id), leb128(content.length), content])
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}
