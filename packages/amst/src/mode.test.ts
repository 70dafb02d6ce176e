import { expect, test } from 'vitest'
import { AgreedMode, type SessionMode } from './mode.js'

test.each([
  ['auto', 'auto', 'auto'],
  ['auto', 'datacenter', 'datacenter'],
  ['hybrid', 'datacenter', 'hybrid'],
  ['internet', 'datacenter', 'internet'],
  ['internet', 'hybrid', 'internet'],
] as const)('where one end says %s and the other %s, it is %s at both', (one, other, agreed) => {
  const [a, b] = [new AgreedMode(), new AgreedMode()]
  const [ofA, ofB] = [a.say(one), b.say(other)]
  if (ofA) b.hear(ofA)
  if (ofB) a.hear(ofB)
  expect([a.mode, b.mode]).toEqual([agreed, agreed])
  expect([a.say(one), b.say(other)]).toEqual([undefined, undefined])
})

test('what names no mode is refused', () => {
  const mode = new AgreedMode()
  for (const body of [[], [4], [255], [1, 0]]) {
    expect(() => mode.hear(Uint8Array.from(body))).toThrow(expect.objectContaining({ code: 'ERR_AMST_PROTOCOL' }))
  }
  expect(() => mode.say('moon' as SessionMode)).toThrow(RangeError)
  expect(mode.mode).toBe('auto')
})
