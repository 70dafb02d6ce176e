/** A reply that another program must have given. */
export function invalidReply(program: string, reply: Uint8Array, lengthBytes: number): TypeError {
  return new TypeError(`a reply of ${program} has ${lengthBytes} bytes, this one has ${reply.length}; is the workload another program?`)
}
