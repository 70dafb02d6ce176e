import { isDwcpError } from '@dwcp/interface'
import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeHostState, encodeHostState, type HostState } from './host-state.js'
import type { MailboxLimits } from './mailbox.js'
import { OpaqueAssembly, opaqueParts } from './opaque-parts.js'

const LIMITS = { maxClients: 8, maxRequestBytes: 64, maxReplyBytes: 64, maxMailboxBytes: 512 }
const STATE: HostState = {
  begun: true,
  finished: false,
  memoryPages: 17,
  globals: [0, -1, 2147483647, -(2n ** 63n), 2n ** 63n - 1n],
  nowMs: 1234.5678,
  sinceMs: 0.25,
  wakeMs: Number.POSITIVE_INFINITY,
  more: false,
  seed: 2 ** 48 - 1,
  random: [1, 2 ** 32 - 1, 3, 2 ** 31],
  slices: 2 ** 40,
  budget: 65_536,
  inputDigest: new Uint8Array(16).fill(7),
  mailbox: {
    arrivals: [{ client: 'a', sequence: 2 ** 40, payload: Uint8Array.of(1) }],
    queue: [{ client: 'b', sequence: 0, payload: new Uint8Array(0) }],
    open: { client: 'é', sequence: 9, payload: Uint8Array.of(2, 3) },
    answers: [{ client: 'a', sequence: 1, payload: Uint8Array.of(4) }],
  },
}

test('a state comes back with every bit', () => {
  expect(decodeHostState(encodeHostState(STATE), LIMITS)).toEqual(STATE)
  const idle = { ...STATE, wakeMs: undefined, mailbox: { ...STATE.mailbox, open: undefined } }
  expect(decodeHostState(encodeHostState(idle), LIMITS)).toEqual(idle)
})

test('a state that is no state, or past a bound, is refused', () => {
  const letters = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ client: `c${i}`, sequence: 1, payload: new Uint8Array(64) }))
  const full = { ...STATE, mailbox: { arrivals: [], queue: letters(8), open: undefined, answers: letters(8) } }
  expect(decodeHostState(encodeHostState(full), LIMITS).mailbox.queue).toHaveLength(8)
  const broken: readonly (readonly [string, Uint8Array, MailboxLimits?])[] = [
    ['nothing', new Uint8Array(0)],
    ['a map', encode({})],
    ['a number', encode(1)],
    ['another version', encode([2])],
    ['too few fields', encode([1, true])],
    ['nine clients', encodeHostState({ ...STATE, mailbox: { ...full.mailbox, queue: letters(9) } })],
    [
      'nine clients in all',
      encodeHostState({ ...STATE, mailbox: { ...full.mailbox, open: { client: 'z', sequence: 1, payload: new Uint8Array(0) } } }),
    ],
    [
      'a long request',
      encodeHostState({ ...STATE, mailbox: { ...full.mailbox, queue: [{ client: 'a', sequence: 1, payload: new Uint8Array(65) }] } }),
    ],
    ['more bytes of requests than may wait', encodeHostState(full), { ...LIMITS, maxMailboxBytes: 511 }],
    ['one client twice', encodeHostState({ ...STATE, mailbox: { ...full.mailbox, queue: [...letters(1), ...letters(1)] } })],
    ['a memory past 4 GiB', encodeHostState({ ...STATE, memoryPages: 65_537 })],
    ['a clock that says nothing', encodeHostState({ ...STATE, nowMs: Number.NaN })],
    ['a time to wake that is none', encodeHostState({ ...STATE, wakeMs: Number.NaN })],
    ['a generator at rest', encodeHostState({ ...STATE, random: [0, 0, 0, 0] })],
    ['a short digest', encodeHostState({ ...STATE, inputDigest: new Uint8Array(15) })],
    ['a global with a fraction', encodeHostState({ ...STATE, globals: [0.5] })],
  ]
  for (const [name, bytes, limits = LIMITS] of broken) {
    expect(() => decodeHostState(bytes, limits), name).toThrow(expect.objectContaining({ code: 'ERR_MIGRATION_STATE_INVALID' }))
  }
})

test('no damage leads to anything but a state or a refusal', () => {
  const bytes = encodeHostState(STATE)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(bytes.length),
      (changes, length) => {
        const damaged = bytes.slice(0, length)
        for (const [offset, value] of changes) damaged[offset] = value
        try {
          expect(decodeHostState(damaged, LIMITS).inputDigest).toHaveLength(16)
        } catch (error) {
          expect(isDwcpError(error, 'ERR_MIGRATION_STATE_INVALID')).toBe(true)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('opaque state is cut into parts of a mebibyte and joined again', () => {
  for (const length of [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20]) {
    const whole = Uint8Array.from({ length }, (_, i) => i % 251)
    const parts = [...opaqueParts('module', whole)]
    const assembly = new OpaqueAssembly('module', length)
    const joined = parts.map((part) => assembly.add(part))
    expect(joined.slice(0, -1).every((part) => part === undefined)).toBe(true)
    expect(Buffer.compare(joined.at(-1) ?? new Uint8Array(1), whole)).toBe(0)
  }
})

test('parts that lie about their kind, length or place are refused', () => {
  const [first = new Uint8Array(0), second = new Uint8Array(0)] = opaqueParts('host', new Uint8Array((1 << 20) + 5))
  expect(() => new OpaqueAssembly('module', 1 << 30).add(first)).toThrow(/type 2/)
  expect(() => new OpaqueAssembly('host', (1 << 20) + 4).add(first)).toThrow(/are allowed/)
  expect(() => new OpaqueAssembly('host', 1 << 30).add(second)).toThrow(/wrong place/)
  expect(() => new OpaqueAssembly('host', 1 << 30).add(first.subarray(0, 8))).toThrow(/8 bytes/)
  expect(() => new OpaqueAssembly('host', 1 << 30).add(first.subarray(0, 9))).toThrow(/empty part/)
  const twice = new OpaqueAssembly('host', 1 << 30)
  twice.add(first)
  expect(() => twice.add(first)).toThrow(/wrong place/)
})
