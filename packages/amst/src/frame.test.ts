import { loadHash } from '@dwcp/native-rdma/hash'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ControlLane } from './control-lane.ts'
import { EMPTY, encodeHeader, FRAME, type FrameType, HEADER_BYTES } from './frame.ts'
import { FrameReader, type ReceivedFrame } from './frame-reader.ts'

const BOUNDS = { chunkBytes: 1000, controlBytes: 500 }
const frames = fc.array(
  fc.record({
    type: fc.constantFrom<FrameType>(...Object.values(FRAME)),
    id: fc.nat(),
    sequence: fc.nat(),
    ack: fc.nat(),
    body: fc.uint8Array({ maxLength: 500 }),
  }),
  { minLength: 1, maxLength: 8 },
)

describe.each(['native', 'js'] as const)('a frame, hashed by %s code,', async (backend) => {
  // Where the addon was not built, the first of the two is the twin as well: both must then agree trivially.
  const hash = await loadHash({ backend }).catch(() => loadHash())
  const wire = (list: readonly { type: FrameType; id: number; sequence: number; ack: number; body: Uint8Array }[]): Buffer =>
    Buffer.concat(list.flatMap((frame) => [encodeHeader(hash, frame, frame.ack), frame.body]))
  const read = (bytes: Buffer, cuts: readonly number[]): ReceivedFrame[] => {
    const got: ReceivedFrame[] = []
    const reader = new FrameReader(hash, BOUNDS, (frame) => got.push(frame))
    let from = 0
    for (const cut of [...cuts, bytes.byteLength].map((at) => Math.min(at, bytes.byteLength)).toSorted((x, y) => x - y)) {
      reader.push(bytes.subarray(from, cut))
      from = cut
    }
    return got
  }

  test('is read as it was written, however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(5000), { maxLength: 12 }), (list, cuts) => {
        const got = read(wire(list), cuts)
        expect(got.map(({ type, id, sequence, ack, body, intact }) => ({ type, id, sequence, ack, body: [...body], intact }))).toEqual(
          list.map((frame) => ({ ...frame, body: [...frame.body], intact: true })),
        )
      }),
      { numRuns: 50 },
    )
  })

  test('is never taken for whole when one bit of it is flipped', () => {
    const body = Uint8Array.from({ length: 60 }, (_, n) => n * 7)
    const whole = wire([{ type: FRAME.chunk, id: 3, sequence: 9, ack: 2, body }])
    for (let bit = 0; bit < whole.byteLength * 8; bit += 1) {
      const damaged = Buffer.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit % 8))
      if (bit < HEADER_BYTES * 8) expect(() => read(damaged, [])).toThrow(expect.objectContaining({ code: 'ERR_AMST_CORRUPT' }))
      else expect(read(damaged, [])).toMatchObject([{ intact: false, id: 3, sequence: 9 }])
    }
  })

  test('that is cut short is not handed over', () => {
    const whole = wire([{ type: FRAME.open, id: 1, sequence: 1, ack: 0, body: new Uint8Array(30) }])
    for (let end = 0; end < whole.byteLength; end += 1) expect(read(whole.subarray(0, end), [])).toEqual([])
  })

  test('may be as long as its bound and not a byte longer', () => {
    for (const [type, bound] of [
      [FRAME.chunk, BOUNDS.chunkBytes],
      [FRAME.message, BOUNDS.controlBytes],
    ] as const) {
      expect(read(wire([{ type, id: 0, sequence: 1, ack: 0, body: new Uint8Array(bound) }]), [])).toHaveLength(1)
      const header = wire([{ type, id: 0, sequence: 1, ack: 0, body: new Uint8Array(bound + 1) }]).subarray(0, HEADER_BYTES)
      expect(() => read(header, [])).toThrow(expect.objectContaining({ code: 'ERR_AMST_LIMIT' }))
    }
  })
})

describe('the control lane', () => {
  test('hands each frame over once and in order, whatever is lost with its stream', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('push', 'write', 'deliver', 'die', 'ack'), { maxLength: 200 }), (steps) => {
        const sender = new ControlLane(1_000_000)
        const receiver = new ControlLane(1_000_000)
        const inFlight: { sequence: number; id: number }[] = []
        const got: number[] = []
        let pushed = 0
        const write = (): boolean => {
          const frame = sender.next(0)
          if (frame) inFlight.push({ sequence: frame.sequence, id: frame.id })
          return frame !== undefined
        }
        const deliver = (): void => {
          const frame = inFlight.shift()
          if (frame && receiver.admit(frame.sequence)) got.push(frame.id)
        }
        for (const step of steps) {
          if (step === 'push') sender.push(FRAME.message, pushed++, EMPTY)
          else if (step === 'write') write()
          else if (step === 'deliver') deliver()
          else if (step === 'ack') sender.acknowledge(receiver.received)
          else {
            inFlight.length = 0
            sender.rewind()
          }
        }
        while (write()) continue
        while (inFlight.length > 0) deliver()
        expect(got).toEqual(Array.from({ length: pushed }, (_, n) => n))
        sender.acknowledge(receiver.received)
        expect(sender.heldBytes).toBe(0)
      }),
      { numRuns: 200 },
    )
  })

  test('has room up to its bound, passes expired frames over, and refuses a gap', () => {
    const lane = new ControlLane(300)
    expect(lane.hasRoom(172)).toBe(true)
    expect(lane.hasRoom(173)).toBe(false)
    lane.push(FRAME.message, 1, EMPTY, 10)
    lane.push(FRAME.message, 2, EMPTY)
    expect(lane.next(10)).toMatchObject({ id: 2, sequence: 1 })
    expect(lane.next(10)).toBeUndefined()
    expect(() => lane.admit(2)).toThrow(expect.objectContaining({ code: 'ERR_AMST_PROTOCOL' }))
  })
})
