/** A tiny assembler: modules are written down section by section, so that a test can break any rule on purpose. */
export const I32 = 0x7f
export const I64 = 0x7e
export const F32 = 0x7d
export const F64 = 0x7c
export const V128 = 0x7b
export const FUNCREF = 0x70
export const EXTERNREF = 0x6f

type Bytes = readonly number[]

export function u32(value: number): number[] {
  const bytes: number[] = []
  let rest = value >>> 0
  do {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest)
    rest >>>= 7
  } while (rest > 0)
  return bytes
}

export function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)]
  return [...u32(bytes.length), ...bytes]
}

function vec(items: readonly Bytes[]): number[] {
  return [...u32(items.length), ...items.flat()]
}

function section(id: number, content: Bytes): number[] {
  return [id, ...u32(content.length), ...content]
}

function code(instructions: Bytes, locals: readonly Bytes[] = []): number[] {
  const body = [...vec(locals), ...instructions]
  return [...u32(body.length), ...body]
}

export const i32Const = (value: number): number[] => {
  const bytes: number[] = [0x41]
  let rest = value | 0
  for (;;) {
    const low = rest & 127
    rest >>= 7
    if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) return [...bytes, low]
    bytes.push(low | 128)
  }
}
const END = 0x0b

export interface Parts {
  readonly types?: readonly Bytes[]
  readonly imports?: readonly Bytes[]
  readonly tables?: readonly Bytes[]
  readonly memories?: readonly Bytes[]
  readonly globals?: readonly Bytes[]
  readonly exports?: readonly Bytes[]
  readonly start?: number
  readonly elements?: readonly Bytes[]
  readonly dataCount?: number
  readonly data?: readonly Bytes[]
  /** Type index and body of each function behind `step`. */
  readonly functions?: readonly (readonly [type: number, body: Bytes])[]
  readonly step?: Bytes
  /** Whole sections put at the end. */
  readonly tail?: Bytes
}

/** Types 0: (i32)->i32, 1: ()->(), 2: ()->f64, 3: (i32,i32)->i32; then those given. */
const BASE_TYPES: readonly Bytes[] = [
  [0x60, 1, I32, 1, I32],
  [0x60, 0, 0],
  [0x60, 0, 1, F64],
  [0x60, 2, I32, I32, 1, I32],
]

/** A module that keeps the ABI as long as the parts do: memory of one page, `step` as function 0 behind the imports. */
export function assemble(parts: Parts = {}): Uint8Array<ArrayBuffer> {
  const { imports = [], functions = [], step = [...i32Const(0), END] } = parts
  const stepIndex = imports.length
  const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(1, vec([...BASE_TYPES, ...(parts.types ?? [])]))]
  if (imports.length > 0) bytes.push(...section(2, vec(imports)))
  bytes.push(...section(3, vec([[0], ...functions.map(([type]) => u32(type))])))
  if (parts.tables !== undefined) bytes.push(...section(4, vec(parts.tables)))
  const memories = parts.memories ?? [[0, 1]]
  if (memories.length > 0) bytes.push(...section(5, vec(memories)))
  if (parts.globals !== undefined) bytes.push(...section(6, vec(parts.globals)))
  bytes.push(...section(7, vec(parts.exports ?? [exported('step', 0, stepIndex)])))
  if (parts.start !== undefined) bytes.push(...section(8, u32(parts.start)))
  if (parts.elements !== undefined) bytes.push(...section(9, vec(parts.elements)))
  if (parts.dataCount !== undefined) bytes.push(...section(12, u32(parts.dataCount)))
  bytes.push(...section(10, vec([code(step), ...functions.map(([, body]) => code(body))])))
  if (parts.data !== undefined) bytes.push(...section(11, vec(parts.data)))
  return Uint8Array.from([...bytes, ...(parts.tail ?? [])])
}

export function exported(name: string, kind: number, index: number): number[] {
  return [...text(name), kind, ...u32(index)]
}

export function importedFunction(module: string, name: string, type: number): number[] {
  return [...text(module), ...text(name), 0, ...u32(type)]
}
