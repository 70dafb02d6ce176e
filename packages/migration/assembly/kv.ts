// A key-value server. Runs on AssemblyScript's incremental collector, so that its garbage moves too.
//
// Requests: operation u8, key length u16, key, then the value (put, compare-and-swap: expected length u32, expected, value).
//   0 get · 1 put · 2 compare-and-swap (an expected length of 0xffffffff means absent) · 3 count · 4 delete
// Answer:   status u8 (0 done, 1 absent, 2 differs, 3 not understood), then what get found, what compare-and-swap found
//   instead, or the count as u32.

import { IDLE, MORE, nextRequest, reply, requestAt, wake } from './dwcp'

const DONE: u8 = 0
const ABSENT: u8 = 1
const DIFFERS: u8 = 2
const NOT_UNDERSTOOD: u8 = 3
const NO_VALUE: u32 = 0xffffffff

const entries = new Map<string, ArrayBuffer>()

export function step(budget: i32): i32 {
  for (let left = budget; left > 0; left--) {
    const length = nextRequest()
    if (length == -1) {
      wake(Infinity)
      return IDLE
    }
    serve(requestAt(), length)
  }
  return MORE
}

function serve(at: usize, length: i32): void {
  if (length < 3) return answer(NOT_UNDERSTOOD, null)
  const operation = load<u8>(at)
  const keyLength = <i32>load<u16>(at + 1)
  const rest = 3 + keyLength
  if (rest > length) return answer(NOT_UNDERSTOOD, null)
  const key = String.UTF8.decodeUnsafe(at + 3, keyLength)
  if (operation == 0) {
    if (!entries.has(key)) return answer(ABSENT, null)
    answer(DONE, entries.get(key))
  } else if (operation == 1) {
    entries.set(key, bytesOf(at + rest, length - rest))
    answer(DONE, null)
  } else if (operation == 2) {
    compareAndSwap(key, at + rest, length - rest)
  } else if (operation == 3) {
    const count = new ArrayBuffer(4)
    store<u32>(changetype<usize>(count), entries.size)
    answer(DONE, count)
  } else if (operation == 4) {
    answer(entries.delete(key) ? DONE : ABSENT, null)
  } else {
    answer(NOT_UNDERSTOOD, null)
  }
}

function compareAndSwap(key: string, at: usize, length: i32): void {
  if (length < 4) return answer(NOT_UNDERSTOOD, null)
  const expectedLength = load<u32>(at)
  const expected = at + 4
  const available = <u32>length - 4
  if (!entries.has(key)) {
    if (expectedLength != NO_VALUE) return answer(ABSENT, null)
    entries.set(key, bytesOf(expected, available))
    return answer(DONE, null)
  }
  const found = entries.get(key)
  if (expectedLength == NO_VALUE) return answer(DIFFERS, found)
  if (expectedLength > available) return answer(NOT_UNDERSTOOD, null)
  const same =
    <u32>found.byteLength == expectedLength &&
    memory.compare(changetype<usize>(found), expected, expectedLength) == 0
  if (!same) return answer(DIFFERS, found)
  entries.set(key, bytesOf(expected + expectedLength, available - expectedLength))
  answer(DONE, null)
}

function bytesOf(at: usize, length: u32): ArrayBuffer {
  const bytes = new ArrayBuffer(length)
  memory.copy(changetype<usize>(bytes), at, length)
  return bytes
}

function answer(status: u8, value: ArrayBuffer | null): void {
  const length = value === null ? 0 : value.byteLength
  const bytes = new ArrayBuffer(1 + length)
  store<u8>(changetype<usize>(bytes), status)
  if (value !== null) memory.copy(changetype<usize>(bytes) + 1, changetype<usize>(value), length)
  reply(changetype<usize>(bytes), bytes.byteLength)
}
