// A chain in which each link mixes the one before, its number and a table that it changes: a link lost, repeated or out of
// order, or a page of the table that is not the newest, changes every link after it. src/wasm/programs/hash-chain.ts
// computes the same chain.
//
// Requests: [0] status. [1, u32 links per second] pace; 0 is as fast as it goes.
// Answer:   f64 links so far, u32 last link, u32 the one before, f64 now.

import { IDLE, MORE, nextRequest, now, reply, requestAt, wake } from './dwcp'

const WORDS: u32 = 16384
const table = memory.data(65536, 8)
const outbox = memory.data(24, 8)

let links: u64 = 0
let head: u32 = 0x243f6a88
let former: u32 = 0x85a308d3
let linksPerSecond: f64 = 1000000
let pacedFromMs: f64 = 0
let pacedFromLinks: u64 = 0

export function init(): void {
  for (let i: u32 = 0; i < WORDS; i++) store<u32>(table + (i << 2), i * 0x9e3779b1 + 0x7f4a7c15)
  pacedFromMs = now()
}

export function step(budget: i32): i32 {
  answerAll()
  let due: u64 = <u64>budget
  if (linksPerSecond > 0) {
    const target = pacedFromLinks + <u64>((now() - pacedFromMs) * linksPerSecond / 1000)
    due = target > links ? min<u64>(due, target - links) : 0
  }
  for (let i: u64 = 0; i < due; i++) link()
  if (linksPerSecond == 0 || due == <u64>budget) return MORE
  wake(now() + 1)
  return IDLE
}

function link(): void {
  const number = <u32>links
  let mixed: u32 = (head ^ number) * 0x9e3779b1
  mixed ^= mixed >> 15
  mixed += load<u32>(table + ((former & (WORDS - 1)) << 2))
  mixed = rotl<u32>(mixed, 13) * 5 + 0xe6546b64
  former = head
  head = mixed
  const at = table + (((mixed >> 7) & (WORDS - 1)) << 2)
  store<u32>(at, load<u32>(at) + (mixed ^ number))
  links++
}

function answerAll(): void {
  for (let length = nextRequest(); length != -1; length = nextRequest()) {
    const inbox = requestAt()
    if (length >= 5 && load<u8>(inbox) == 1) {
      linksPerSecond = <f64>load<u32>(inbox + 1)
      pacedFromMs = now()
      pacedFromLinks = links
    }
    store<f64>(outbox, <f64>links)
    store<u32>(outbox + 8, head)
    store<u32>(outbox + 12, former)
    store<f64>(outbox + 16, now())
    reply(outbox, 24)
  }
}
