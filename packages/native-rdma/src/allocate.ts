import { outOfMemory } from './errors.js'

/** Zeros; a length that the runtime refuses is an error of this package like any other lack of memory. */
export function allocate(what: string, lengthBytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(lengthBytes)
  } catch {
    throw outOfMemory(what, `no memory for ${lengthBytes} bytes`)
  }
}
