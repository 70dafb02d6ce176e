/**
 * A target as operations on a base, in streams of like things. Numbers are LEB128 varints, signed ones zigzag. For each operation:
 * so many literals, then so many bytes from the base; the last may end after its literals.
 *
 * @public
 */
export interface DeltaStreams {
  readonly literalLengths: Uint8Array
  readonly copyLengths: Uint8Array
  /** By how much the distance from where a copy would lie unmoved changes with each copy; signed. */
  readonly shifts: Uint8Array
  readonly literals: Uint8Array
  /** From the end of each patch to the next, in bytes of the target, literals counted too. */
  readonly patchGaps: Uint8Array
  /** What is added to 4 copied bytes as a little-endian number, signed; within 3 bytes of a copy's end one plain byte to one byte. */
  readonly patchValues: Uint8Array
}

const NOTHING = new Uint8Array()
export const NO_STREAMS: DeltaStreams = {
  literalLengths: NOTHING,
  copyLengths: NOTHING,
  shifts: NOTHING,
  patchGaps: NOTHING,
  patchValues: NOTHING,
  literals: NOTHING,
}

/** In the order in which native/delta_script.h lays them out behind their lengths. */
export const STREAM_NAMES = ['literalLengths', 'copyLengths', 'shifts', 'patchGaps', 'patchValues', 'literals'] as const
const HEADER_BYTES = STREAM_NAMES.length * 8

export function splitStreams(script: Uint8Array): DeltaStreams {
  const view = new DataView(script.buffer, script.byteOffset, script.length)
  let at = HEADER_BYTES
  const next = (index: number): Uint8Array => {
    const start = at
    at += Number(view.getBigUint64(8 * index, true))
    return script.subarray(start, at)
  }
  return {
    literalLengths: next(0),
    copyLengths: next(1),
    shifts: next(2),
    patchGaps: next(3),
    patchValues: next(4),
    literals: next(5),
  }
}

export function joinStreams(streams: DeltaStreams): Uint8Array {
  const parts = STREAM_NAMES.map((name) => streams[name])
  const script = new Uint8Array(parts.reduce((sum, part) => sum + part.length, HEADER_BYTES))
  const view = new DataView(script.buffer)
  let at = HEADER_BYTES
  for (const [index, part] of parts.entries()) {
    view.setBigUint64(8 * index, BigInt(part.length), true)
    script.set(part, at)
    at += part.length
  }
  return script
}
