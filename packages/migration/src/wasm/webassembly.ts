import { setFlagsFromString } from 'node:v8'

/** The little of the engine's WebAssembly interface that is used here: Node's types do not declare it. */
export interface EngineMemory {
  readonly buffer: ArrayBuffer
  /** @returns the former size in pages of 64 KiB. Throws RangeError past the maximum. */
  grow(pages: number): number
}

export interface EngineModule {
  readonly [Symbol.toStringTag]: string
}

export interface EngineInstance {
  readonly exports: Readonly<Record<string, unknown>>
}

type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>

interface Engine {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => EngineModule
  readonly Instance: new (module: EngineModule, imports: Imports) => EngineInstance
  readonly Memory: new (descriptor: { readonly initial: number }) => EngineMemory
  readonly CompileError: new (message: string) => Error
}

declare const WebAssembly: Engine

export const engine: Engine = WebAssembly

/**
 * Compiles every function at once: a first slice after a move must not wait for the compiler. Under V8's lazy compilation,
 * Node 20 also loses about 30 KB for good with each thread that instantiates anything. The flag belongs to the whole process,
 * hence it is set back.
 *
 * @throws CompileError, LinkError, RangeError: what the engine says of the module.
 */
export function instantiate(bytes: Uint8Array<ArrayBuffer>, imports: Imports): EngineInstance {
  setFlagsFromString('--no-wasm-lazy-compilation')
  try {
    return new engine.Instance(new engine.Module(bytes), imports)
  } finally {
    setFlagsFromString('--wasm-lazy-compilation')
  }
}
