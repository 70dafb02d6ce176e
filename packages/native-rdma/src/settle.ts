import { corrupt, outOfMemory, tooLarge, unavailable } from './errors.js'

/** Gives the addon's faults their codes; the numbers are `enum class Fault` of native/outcome.h. */
export async function settle(what: string, maxBytes: number, work: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Error) || !('fault' in error)) throw error
    switch (error.fault) {
      case 1:
        throw unavailable(what, error.message)
      case 2:
        throw tooLarge(what, maxBytes, error.message)
      case 3:
        throw corrupt(what, error.message)
      case 4:
        throw outOfMemory(what, error.message)
      default:
        throw error
    }
  }
}
