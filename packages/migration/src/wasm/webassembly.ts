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

interface Engine {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => EngineModule
  readonly Instance: new (module: EngineModule, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>) => EngineInstance
  readonly Memory: new (descriptor: { readonly initial: number }) => EngineMemory
  readonly CompileError: new (message: string) => Error
}

declare const WebAssembly: Engine

export const engine: Engine = WebAssembly
