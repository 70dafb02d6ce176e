import { unsupported } from './errors.js'
import { type ModuleLayout, readModule } from './module-layout.js'

/** Exports that the patch adds begin with this; a module must not use it. */
export const RESERVED_PREFIX = '$dwcp.'
/** Bytes of a WebAssembly page, which is the unit of growth. */
export const WASM_PAGE_BYTES: number = 65_536
const MOST_PAGES = 65_536

/** What the host offers in module `dwcp` (docs/wasm-abi.md). */
const HOST_FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ['now', '->f64'],
  ['random', '->f64'],
  ['receive', 'i32,i32->i32'],
  ['reply', 'i32,i32->'],
  ['log', 'i32,i32->'],
  ['wake', 'f64->'],
])

const CARRIED: ReadonlySet<string> = new Set(['i32', 'i64', 'f32', 'f64'])

/** A module that keeps the ABI and whose state can be carried whole. */
export interface CheckedModule {
  readonly layout: ModuleLayout
  readonly initialPages: number
  /** The module's own maximum and the host's bound, whichever is less. */
  readonly maximumPages: number
  /** Indices of the globals that are part of the state, ascending. */
  readonly mutableGlobals: readonly number[]
  readonly hasInit: boolean
}

/**
 * Parses `bytes` and makes sure that memory and mutable globals are all there is to carry.
 *
 * @param maxMemoryBytes - Most that the memory may ever hold.
 * @throws `ERR_MIGRATION_UNSUPPORTED`, with the reason, for anything else.
 */
export function checkModule(bytes: Uint8Array, maxMemoryBytes: number): CheckedModule {
  const layout = readModule(bytes)
  checkImports(layout)
  checkExports(layout)
  const [memory, second] = layout.memories
  if (memory === undefined) throw unsupported('it has no memory')
  if (second !== undefined) throw unsupported('it has several memories')
  const maximumPages = Math.min(memory.maximumPages ?? MOST_PAGES, MOST_PAGES, Math.floor(maxMemoryBytes / WASM_PAGE_BYTES))
  if (memory.initialPages > maximumPages) {
    throw unsupported(`it begins with ${memory.initialPages} pages of 64 KiB, and ${maximumPages} are allowed here; raise maxMemoryBytes`)
  }
  const mutableGlobals: number[] = []
  for (const [index, global] of layout.globals.entries()) {
    if (!global.mutable) continue
    if (!CARRIED.has(global.type)) throw unsupported(`its mutable global ${index} is a ${global.type}, which cannot be read from outside`)
    mutableGlobals.push(index)
  }
  return { layout, initialPages: memory.initialPages, maximumPages, mutableGlobals, hasInit: layout.exports.has('init') }
}

function checkImports(layout: ModuleLayout): void {
  for (const { module, name, signature } of layout.imports) {
    if (module !== 'dwcp')
      throw unsupported(`it imports ${module}.${name}; only functions of module "dwcp" are offered, so that every input is recorded`)
    const offered = HOST_FUNCTIONS.get(name)
    if (offered === undefined)
      throw unsupported(`it imports dwcp.${name}, which does not exist; there are ${[...HOST_FUNCTIONS.keys()].join(', ')}`)
    if (offered !== signature) throw unsupported(`it imports dwcp.${name} as (${signature}); its type is (${offered})`)
  }
}

function checkExports(layout: ModuleLayout): void {
  for (const [name, { kind }] of layout.exports) {
    if (name.startsWith(RESERVED_PREFIX)) throw unsupported(`it exports "${name}"; names that begin with ${RESERVED_PREFIX} are the host's`)
    if (kind === 'table') throw unsupported(`it exports the table "${name}", which could be changed from outside`)
  }
  checkFunction(layout, 'step', 'i32->i32', true)
  checkFunction(layout, 'init', '->', false)
}

function checkFunction(layout: ModuleLayout, name: string, signature: string, required: boolean): void {
  const found = layout.exports.get(name)
  if (found === undefined && !required) return
  if (found?.kind !== 'function') throw unsupported(`it does not export the function ${name} (${signature})`)
  const actual = layout.functions[found.index - layout.imports.length] ?? layout.imports[found.index]?.signature
  if (actual !== signature) throw unsupported(`its function ${name} is (${actual ?? 'missing'}), not (${signature})`)
}
