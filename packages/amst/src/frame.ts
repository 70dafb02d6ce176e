/** From 16 on, frames keep their order and survive the death of the stream that carried them (see control-lane.ts). */
export const FRAME = {
  ping: 1,
  pong: 2,
  acknowledge: 3,
  chunk: 4,
  gone: 5,
  last: 6,
  message: 16,
  request: 17,
  response: 18,
  failure: 19,
  open: 20,
  end: 21,
  cancel: 22,
  credit: 23,
  again: 24,
  done: 25,
  reject: 26,
  bye: 27,
  short: 28,
  have: 29,
  checked: 30,
  rate: 31,
  fresh: 32,
  mode: 33,
} as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

export interface Frame {
  readonly type: FrameType
  /** The object or request; else 0. */
  readonly id: number
  /** The chunk's number in its object, or the frame's place in the order of control frames; else 0. */
  readonly sequence: number
  readonly body: Uint8Array
  /** Of the body, where it is known already. */
  readonly digest?: Uint8Array
}

/** A frame that came. */
export interface ReceivedFrame extends Frame {
  /** The last control frame that the peer has received in order. */
  readonly ack: number
  readonly body: Buffer
  readonly digest: Uint8Array
  /** Whether the body is what its digest says. */
  readonly intact: boolean
}

const TYPES: ReadonlyMap<number, FrameType> = new Map(Object.values(FRAME).map((type) => [type, type]))

/** @throws RangeError for a number that no frame has: streams refuse those before. */
export function frameTypeOf(type: number): FrameType {
  const known = TYPES.get(type)
  if (known === undefined) throw new RangeError(`no frame has type ${type}`)
  return known
}

export const EMPTY: Uint8Array = new Uint8Array(0)
