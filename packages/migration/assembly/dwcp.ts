// What the host offers to a program: docs/wasm-abi.md.

// @ts-ignore: decorator
@external('dwcp', 'now')
export declare function now(): f64
// @ts-ignore: decorator
@external('dwcp', 'random')
export declare function random(): f64
// @ts-ignore: decorator
@external('dwcp', 'receive')
export declare function receive(pointer: usize, capacityBytes: i32): i32
// @ts-ignore: decorator
@external('dwcp', 'reply')
export declare function reply(pointer: usize, lengthBytes: i32): void
// @ts-ignore: decorator
@external('dwcp', 'log')
export declare function log(pointer: usize, lengthBytes: i32): void
// @ts-ignore: decorator
@external('dwcp', 'wake')
export declare function wake(atMs: f64): void

/** What `step` returns. */
export const IDLE: i32 = 0
export const MORE: i32 = 1
export const FINISHED: i32 = 2

let inbox: usize = 0
let inboxBytes: i32 = 64

/** Where {@link nextRequest} put the request. */
export function requestAt(): usize {
  return inbox
}

/** Receives the next request, however long, and returns its length, or -1. The room only grows: it is at most twice the longest request. */
export function nextRequest(): i32 {
  if (inbox == 0) inbox = heap.alloc(inboxBytes)
  let length = receive(inbox, inboxBytes)
  while (length < -1) {
    while (inboxBytes < -(length + 1)) inboxBytes *= 2
    inbox = heap.alloc(inboxBytes)
    length = receive(inbox, inboxBytes)
  }
  return length
}

/** AssemblyScript's runtime ends here; the host reports the trap. */
export function abort(message: string | null, _file: string | null, _line: u32, _column: u32): void {
  if (message !== null) {
    const text = String.UTF8.encode(message)
    log(changetype<usize>(text), text.byteLength)
  }
  unreachable()
}
