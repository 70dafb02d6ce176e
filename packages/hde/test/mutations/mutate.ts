import { type BytesPart, type NumberPart, type Part } from './parts.ts'

/** Whole numbers from 0 to below `bound`. */
export type Roll = (bound: number) => number

/** SplitMix32: a seed gives the same mutants on every machine. */
export function rolls(seed: number): Roll {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * bound)
  }
}

/** One to three changes to `parts`, in place; `donors` are parts of other frames, which are spliced in. */
export function mutate(parts: Part[], donors: readonly Part[], roll: Roll): void {
  for (let left = roll(3); left >= 0; left -= 1) mutateOnce(parts, donors, roll)
}

function mutateOnce(parts: Part[], donors: readonly Part[], roll: Roll): void {
  const at = roll(parts.length)
  const part = parts[at]
  if (part === undefined) return
  if (roll(40) === 0) {
    const other = roll(parts.length)
    const action = roll(4)
    if (action === 0) parts.splice(at, 1)
    else if (action === 1) parts.splice(other, 0, part)
    else if (action === 2) parts.splice(at, 1, parts[other] ?? part)
    else parts.splice(other, 0, copied(donors[roll(donors.length)] ?? part))
  } else if (part.kind === 'sized') mutateOnce(part.parts, donors, roll)
  else if (part.kind === 'number') mutateNumber(part, roll)
  else mutateBytes(part, leaves(donors), roll)
}

/** Or a part that was spliced in could be spliced into itself. */
function copied(part: Part): Part {
  return part.kind === 'sized' ? { kind: 'sized', parts: part.parts.map(copied) } : { ...part }
}

function mutateNumber(part: NumberPart, roll: Roll): void {
  const { measures } = part
  const value = measures === undefined ? part.value : measures.part.bytes.length * measures.times + measures.plus
  part.measures = undefined
  const step = roll(6)
  if (step === 0) part.value = Math.max(0, value - 1)
  else if (step === 1) part.value = value + 1
  else if (step === 2) part.value = value ^ (1 << roll(8))
  else if (step === 3) part.value = Math.max(0, 2 ** roll(54) + roll(3) - 1)
  else if (step === 4) part.value = roll(20)
  else part.value = value * 2
  part.value = Math.min(Math.max(0, part.value), Number.MAX_SAFE_INTEGER)
}

function mutateBytes(part: BytesPart, donors: readonly BytesPart[], roll: Roll): void {
  const { bytes } = part
  const at = roll(bytes.length)
  const length = Math.min(bytes.length - at, 1 + roll(16))
  const donor = donors[roll(donors.length)]?.bytes ?? bytes
  const splice = (remove: number, ...inserted: readonly Uint8Array[]): void => {
    part.bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, at), ...inserted, bytes.subarray(at + remove)]))
  }
  const set = (value: number): void => splice(1, Uint8Array.of(value))
  switch (bytes.length === 0 ? 5 : roll(9)) {
    case 0:
      return set((bytes[at] ?? 0) ^ (1 << roll(8)))
    case 1:
      return set(roll(4) === 0 ? 255 : roll(256))
    case 2:
      return splice(length)
    case 3:
      return splice(0, bytes.subarray(at, at + length))
    case 4:
      return splice(length, new Uint8Array(length).fill(roll(2) * 255))
    case 5:
      return splice(
        0,
        Uint8Array.from({ length: 1 + roll(9) }, () => 128 | roll(128)),
      )
    case 6:
      return splice(bytes.length, donor.subarray(roll(donor.length)))
    case 7:
      return splice(length, donor.subarray(0, roll(donor.length)))
    default:
      return splice(bytes.length)
  }
}

function leaves(parts: readonly Part[]): readonly BytesPart[] {
  return parts.flatMap((part) => (part.kind === 'bytes' ? [part] : part.kind === 'sized' ? leaves(part.parts) : []))
}

/** Bytes without a structure that is known: cut, or changed anywhere. */
export function mutateWhole(bytes: Uint8Array, roll: Roll): Uint8Array {
  const part: Part = { kind: 'bytes', bytes }
  for (let left = roll(3); left >= 0; left -= 1) mutateBytes(part, [part], roll)
  return part.bytes
}
