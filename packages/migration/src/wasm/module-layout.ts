import { ByteReader, malformed } from './byte-reader.js'
import { unsupported } from './errors.js'
import { scanBody, scanExpression, VALUE_TYPES } from './instruction-scan.js'

/** Section numbers of the binary format. */
export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const

const ORDER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11]
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
  [0x70, 'funcref'],
  [0x6f, 'externref'],
])

export interface Section {
  readonly id: number
  /** The content, without number and length. */
  readonly bytes: Uint8Array
}

export interface Import {
  readonly module: string
  readonly name: string
  /** As in `i32,i32->i32`. */
  readonly signature: string
}

export interface Export {
  readonly kind: 'function' | 'table' | 'memory' | 'global'
  readonly index: number
}

export interface Global {
  readonly type: string
  readonly mutable: boolean
}

export interface DataSegment {
  /** 0: at an offset in memory 0, 1: passive. */
  readonly flag: number
  /** The offset expression; empty for passive segments. */
  readonly offset: Uint8Array
  readonly bytes: Uint8Array
}

/** What a module declares, read once and kept for the checks and the patch. */
export interface ModuleLayout {
  readonly sections: readonly Section[]
  readonly signatures: readonly string[]
  readonly imports: readonly Import[]
  /** Signature of each function defined here; its index counts after the imports. */
  readonly functions: readonly string[]
  readonly globals: readonly Global[]
  readonly exports: ReadonlyMap<string, Export>
  readonly memories: readonly { readonly initialPages: number; readonly maximumPages: number | undefined }[]
  readonly startFunction: number | undefined
  readonly data: readonly DataSegment[]
}

interface Draft {
  signatures: string[]
  imports: Import[]
  functions: string[]
  globals: Global[]
  exports: Map<string, Export>
  memories: { initialPages: number; maximumPages: number | undefined }[]
  startFunction: number | undefined
  data: DataSegment[]
}

/** Reads a binary, bounds first, and refuses (`ERR_MIGRATION_UNSUPPORTED`) what no state transfer can carry. Cost: one pass. */
export function readModule(bytes: Uint8Array): ModuleLayout {
  const reader = new ByteReader(bytes)
  const header = bytes.subarray(0, 8)
  if (header.join() !== '0,97,115,109,1,0,0,0') throw malformed('it does not begin with "\\0asm" and version 1', 0)
  reader.skip(8)
  const draft: Draft = {
    signatures: [],
    imports: [],
    functions: [],
    globals: [],
    exports: new Map(),
    memories: [],
    startFunction: undefined,
    data: [],
  }
  const sections: Section[] = []
  let rank = -1
  while (!reader.done) {
    const id = reader.u8()
    const content = reader.section(reader.u32())
    sections.push({ id, bytes: content.bytes.subarray(content.offset, content.end) })
    if (id === SECTION.custom) continue
    const here = ORDER.indexOf(id)
    if (here < 0) throw unsupported(id === 13 ? 'it uses exception handling, whose state cannot be carried' : `unknown section ${id}`)
    if (here <= rank) throw malformed(`section ${id} is repeated or out of order`, content.offset)
    rank = here
    readSection(id, content, draft)
    content.finish(`section ${id}`)
  }
  return { ...draft, sections }
}

function readSection(id: number, reader: ByteReader, draft: Draft): void {
  if (id === SECTION.start) {
    draft.startFunction = reader.u32()
    return
  }
  if (id === SECTION.dataCount) {
    reader.u32()
    return
  }
  const count = reader.count()
  for (let i = 0; i < count; i++) readItem(id, reader, draft)
}

function readItem(id: number, reader: ByteReader, draft: Draft): void {
  switch (id) {
    case SECTION.type:
      draft.signatures.push(signature(reader))
      return
    case SECTION.import:
      draft.imports.push(readImport(reader, draft))
      return
    case SECTION.function:
      draft.functions.push(signatureOf(reader, draft))
      return
    case SECTION.table:
      return readTable(reader)
    case SECTION.memory:
      draft.memories.push(readMemory(reader))
      return
    case SECTION.global: {
      const type = valueType(reader)
      const mutable = reader.u8()
      if (mutable > 1) throw malformed('a global is neither constant nor mutable', reader.offset)
      scanExpression(reader)
      draft.globals.push({ type, mutable: mutable === 1 })
      return
    }
    case SECTION.export:
      return readExport(reader, draft)
    case SECTION.element:
      return readElement(reader)
    case SECTION.code:
      return readCode(reader)
    case SECTION.data:
      draft.data.push(readData(reader))
  }
}

function signature(reader: ByteReader): string {
  const form = reader.u8()
  if (form !== 0x60) throw unsupported('it declares types other than functions, which the garbage collector of the engine would own')
  const parameters = valueTypes(reader)
  return `${parameters}->${valueTypes(reader)}`
}

function valueTypes(reader: ByteReader): string {
  const types: string[] = []
  for (let left = reader.count(); left > 0; left--) types.push(valueType(reader))
  return types.join()
}

function valueType(reader: ByteReader): string {
  const type = reader.u8()
  if (!VALUE_TYPES.has(type)) throw unsupported(`it uses the unknown type 0x${type.toString(16)}`)
  return NAMES.get(type) ?? ''
}

function signatureOf(reader: ByteReader, draft: Draft): string {
  const found = draft.signatures[reader.u32()]
  if (found === undefined) throw malformed('a function has a type that is not declared', reader.offset)
  return found
}

function readImport(reader: ByteReader, draft: Draft): Import {
  const module = reader.name()
  const name = reader.name()
  const kind = reader.u8()
  if (kind !== 0) {
    const what = ['function', 'table', 'memory', 'global', 'tag'][kind] ?? `kind ${kind}`
    throw unsupported(`it imports a ${what} (${module}.${name}), whose state would be left behind; define it in the module`)
  }
  return { module, name, signature: signatureOf(reader, draft) }
}

function readLimits(reader: ByteReader, what: string): { initial: number; maximum: number | undefined } {
  const flags = reader.u8()
  if ((flags & 0x02) !== 0) throw unsupported(`its ${what} is shared between threads`)
  if ((flags & 0x04) !== 0) throw unsupported(`its ${what} has 64-bit addresses`)
  if (flags > 1) throw unsupported(`its ${what} has the unknown limits 0x${flags.toString(16)}`)
  const initial = reader.u32()
  return { initial, maximum: flags === 1 ? reader.u32() : undefined }
}

function readTable(reader: ByteReader): void {
  const type = reader.u8()
  if (type !== 0x70 && type !== 0x6f) throw unsupported(`a table holds the unknown type 0x${type.toString(16)}`)
  readLimits(reader, 'table')
}

function readMemory(reader: ByteReader): { initialPages: number; maximumPages: number | undefined } {
  const { initial, maximum } = readLimits(reader, 'memory')
  return { initialPages: initial, maximumPages: maximum }
}

function readExport(reader: ByteReader, draft: Draft): void {
  const name = reader.name()
  const kind = (['function', 'table', 'memory', 'global'] as const)[reader.u8()]
  if (kind === undefined) throw unsupported(`it exports something unknown as "${name}"`)
  if (draft.exports.has(name)) throw malformed(`two exports are called "${name}"`, reader.offset)
  draft.exports.set(name, { kind, index: reader.u32() })
}

/** https://webassembly.github.io/spec/core/binary/modules.html#element-section */
function readElement(reader: ByteReader): void {
  const flag = reader.u32()
  if (flag > 7) throw unsupported(`an element segment of the unknown kind ${flag}`)
  const active = (flag & 1) === 0
  const explicit = (flag & 2) !== 0
  const expressions = (flag & 4) !== 0
  if (active && explicit) reader.u32()
  if (active) scanExpression(reader)
  if (!active || explicit) reader.u8()
  for (let left = reader.count(); left > 0; left--) {
    if (expressions) scanExpression(reader)
    else reader.u32()
  }
}

function readCode(reader: ByteReader): void {
  const body = reader.section(reader.u32())
  for (let left = body.count(); left > 0; left--) {
    body.u32()
    valueType(body)
  }
  scanBody(body)
}

function readData(reader: ByteReader): DataSegment {
  const flag = reader.u32()
  if (flag > 1) throw unsupported('it has data for a memory other than the first')
  const start = reader.offset
  if (flag === 0) scanExpression(reader)
  const offset = reader.bytes.subarray(start, reader.offset)
  return { flag, offset, bytes: reader.take(reader.u32()) }
}
