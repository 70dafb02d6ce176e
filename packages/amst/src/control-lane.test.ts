import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ControlLane } from './control-lane.ts'
import { EMPTY, FRAME } from './frame.ts'

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
