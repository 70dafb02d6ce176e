// A large memory of which a part changes at a steady rate. What a page holds follows from the seed, its number and how
// often it was written, so that anybody can compute it again: src/wasm/programs/simulation.ts does.
//
// Requests: [0] status.
//   [1, u32 pages, u32 of which the first so many change, u32 pages written per second, u32 seed, u32 words of 16 that are
//    random] configure: once; pages are of 4 KiB.
//   [2, u32 first page, u32 count of at most 256] check: a checksum of what these pages hold.
//   [3, u32 pages written per second] rate.
// Answer: f64 pages filled, f64 pages written since, u32 checksum, f64 now.

import { IDLE, MORE, nextRequest, now, reply, requestAt, wake } from './dwcp'

const PAGE: u32 = 4096
/** Odd multiples of it visit every page of the changing part once a round, far apart. */
const STRIDE: u64 = 0x9e3779b1
const MOST_CHECKED: u32 = 256
const outbox = memory.data(32, 8)

let base: usize = 0
let pages: u32 = 0
let changing: u32 = 0
let stride: u64 = 1
let pagesPerSecond: f64 = 0
let seed: u32 = 0
let randomWords: u32 = 16
let filled: u32 = 0
let written: u64 = 0
let pacedFromMs: f64 = 0
let pacedFromWritten: u64 = 0

export function step(budget: i32): i32 {
  answerAll()
  let left = budget
  while (filled < pages && left > 0) {
    fill(filled, 0)
    filled++
    left--
    if (filled == pages) pace(pagesPerSecond)
  }
  if (left == 0) return MORE
  if (changing > 0 && pagesPerSecond > 0) {
    const target = pacedFromWritten + <u64>((now() - pacedFromMs) * pagesPerSecond / 1000)
    while (written < target && left > 0) {
      const page = <u32>((written * stride) % changing)
      fill(page, <u32>(written / changing) + 1)
      written++
      left--
    }
    if (left == 0) return MORE
    wake(now() + 1)
  } else {
    wake(Infinity)
  }
  return IDLE
}

function fill(page: u32, generation: u32): void {
  let state = first(page, generation)
  const start = base + <usize>page * PAGE
  for (let at = start; at < start + PAGE; at += 64) {
    for (let word: u32 = 0; word < 16; word++) {
      if (word < randomWords) {
        state ^= state << 13
        state ^= state >> 17
        state ^= state << 5
        store<u32>(at + (word << 2), state)
      } else {
        store<u32>(at + (word << 2), page)
      }
    }
  }
}

function first(page: u32, generation: u32): u32 {
  let mixed = (seed ^ page) * 0x85ebca6b + generation * 0xc2b2ae35
  mixed ^= mixed >> 16
  mixed *= 0x9e3779b1
  mixed ^= mixed >> 13
  return mixed | 1
}

function checksum(from: u32, count: u32): u32 {
  let sum: u32 = 0
  const end = base + (<usize>from + count) * PAGE
  for (let at = base + <usize>from * PAGE; at < end; at += 4) sum = (rotl<u32>(sum, 5) ^ load<u32>(at)) * 0x9e3779b1
  return sum
}

function pace(rate: f64): void {
  pagesPerSecond = rate
  pacedFromMs = now()
  pacedFromWritten = written
}

function configure(inbox: usize): void {
  const wanted = load<u32>(inbox + 1)
  if (pages > 0 || wanted == 0) return
  const before = memory.grow((wanted + 15) / 16)
  if (before < 0) return
  base = <usize>before << 16
  pages = wanted
  changing = min(load<u32>(inbox + 5), pages)
  seed = load<u32>(inbox + 13)
  randomWords = min<u32>(load<u32>(inbox + 17), 16)
  if (changing > 0) {
    stride = STRIDE % changing
    while (divisor(stride, changing) != 1) stride++
  }
  pace(<f64>load<u32>(inbox + 9))
}

function divisor(left: u64, right: u64): u64 {
  while (right > 0) {
    const rest = left % right
    left = right
    right = rest
  }
  return left
}

function answerAll(): void {
  for (let length = nextRequest(); length != -1; length = nextRequest()) {
    const inbox = requestAt()
    const operation: u8 = length > 0 ? load<u8>(inbox) : 0
    let sum: u32 = 0
    if (operation == 1 && length == 21) configure(inbox)
    else if (operation == 3 && length == 5) pace(<f64>load<u32>(inbox + 1))
    else if (operation == 2 && length == 9) {
      const from = load<u32>(inbox + 1)
      const count = load<u32>(inbox + 5)
      if (count <= MOST_CHECKED && from <= filled && count <= filled - from) sum = checksum(from, count)
    }
    store<f64>(outbox, <f64>filled)
    store<f64>(outbox + 8, <f64>written)
    store<u32>(outbox + 16, sum)
    store<f64>(outbox + 24, now())
    reply(outbox, 32)
  }
}
