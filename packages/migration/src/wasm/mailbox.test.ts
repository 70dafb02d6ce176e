import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Mailbox, type MailboxLimits } from './mailbox.js'

const LIMITS: MailboxLimits = { maxClients: 3, maxRequestBytes: 8, maxReplyBytes: 8, maxMailboxBytes: 20 }
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const ask = (client: string, sequence: number, ...payload: readonly number[]) => ({ client, sequence, payload: bytes(...payload) })

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isDwcpError(error)) return error.code
    throw error
  }
  return 'accepted'
}

/** Receives everything and answers with the request's own bytes, as an echo would. */
function serve(mailbox: Mailbox): number {
  mailbox.admit()
  let served = 0
  for (let next = mailbox.receive(); next !== undefined; next = mailbox.receive()) {
    mailbox.reply(next.payload)
    served++
  }
  return served
}

test('a request asked again while it waits is done once, and afterwards its answer is given at once', () => {
  const mailbox = new Mailbox(LIMITS)
  expect(mailbox.accept(ask('a', 1, 5))).toBeUndefined()
  expect(mailbox.accept(ask('a', 1, 5))).toBeUndefined()
  expect(serve(mailbox)).toBe(1)
  expect(mailbox.accept(ask('a', 1, 5))).toEqual(bytes(5))
  expect(serve(mailbox)).toBe(0)
})

test('an older sequence is stale, a newer one waits for the answer of the one before', () => {
  const mailbox = new Mailbox(LIMITS)
  mailbox.accept(ask('a', 5))
  expect(codeOf(() => mailbox.accept(ask('a', 4)))).toBe('ERR_WORKLOAD_STALE_REQUEST')
  expect(codeOf(() => mailbox.accept(ask('a', 6)))).toBe('ERR_WORKLOAD_BUSY')
  serve(mailbox)
  expect(codeOf(() => mailbox.accept(ask('a', 4)))).toBe('ERR_WORKLOAD_STALE_REQUEST')
  expect(codeOf(() => mailbox.accept(ask('a', 6)))).toBe('accepted')
})

test('the bounds on clients and bytes hold at the bound and one past it', () => {
  const mailbox = new Mailbox(LIMITS)
  expect(codeOf(() => mailbox.accept(ask('a', 1, 1, 2, 3, 4, 5, 6, 7, 8)))).toBe('accepted')
  expect(codeOf(() => mailbox.accept(ask('b', 1, 1, 2, 3, 4, 5, 6, 7, 8, 9)))).toBe('ERR_WORKLOAD_LIMIT')
  expect(codeOf(() => mailbox.accept(ask('b', 1)))).toBe('accepted')
  expect(codeOf(() => mailbox.accept(ask('c', 1)))).toBe('accepted')
  expect(codeOf(() => mailbox.accept(ask('d', 1)))).toBe('ERR_WORKLOAD_BUSY')
  serve(mailbox)
  expect(codeOf(() => mailbox.accept(ask('d', 1)))).toBe('accepted')
  serve(mailbox)
  expect(mailbox.known(ask('a', 1))).toBeUndefined()
  expect(mailbox.known(ask('b', 1))).toEqual(bytes())
})

test('waiting requests and kept answers have a bound in bytes', () => {
  const mailbox = new Mailbox({ ...LIMITS, maxClients: 9 })
  const long = [1, 2, 3, 4, 5, 6, 7, 8]
  mailbox.accept(ask('a', 1, ...long))
  mailbox.accept(ask('b', 1, ...long))
  expect(codeOf(() => mailbox.accept(ask('c', 1, 1, 2, 3, 4, 5)))).toBe('ERR_WORKLOAD_BUSY')
  expect(codeOf(() => mailbox.accept(ask('c', 1, 1, 2, 3, 4)))).toBe('accepted')
  serve(mailbox)
  expect(['a', 'b', 'c'].map((client) => mailbox.known(ask(client, 1)) !== undefined)).toEqual([true, true, true])
  const moved = new Mailbox(mailbox.limits, mailbox.state())
  moved.accept(ask('d', 1, 1))
  serve(moved)
  expect(['a', 'b', 'c', 'd'].map((client) => moved.known(ask(client, 1)) !== undefined)).toEqual([false, true, true, true])
})

test('a request that the program skips is answered with nothing', () => {
  const mailbox = new Mailbox(LIMITS)
  mailbox.accept(ask('a', 1, 1))
  mailbox.accept(ask('b', 1, 2))
  mailbox.admit()
  mailbox.receive()
  expect(mailbox.receive()?.abandoned).toEqual({ client: 'a', sequence: 1, payload: bytes() })
  expect(mailbox.reply(bytes(9))).toEqual({ client: 'b', sequence: 1, payload: bytes(9) })
  expect(mailbox.reply(bytes(9))).toBeUndefined()
})

test('wherever it moves in between, each request is done exactly once', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('ask' as const), client: fc.constantFrom('a', 'b', 'c'), step: fc.constantFrom(0, 1) }),
    fc.record({ kind: fc.constantFrom('admit' as const, 'receive' as const, 'reply' as const, 'move' as const) }),
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      let mailbox = new Mailbox(LIMITS)
      const next = new Map<string, number>()
      const done: string[] = []
      const asked = new Set<string>()
      for (const item of actions) {
        if (item.kind === 'ask') {
          const sequence = (next.get(item.client) ?? 0) + item.step
          const code = codeOf(() => mailbox.accept(ask(item.client, sequence, sequence)))
          if (code !== 'accepted') continue
          next.set(item.client, sequence)
          asked.add(`${item.client}${sequence}`)
        } else if (item.kind === 'admit') mailbox.admit()
        else if (item.kind === 'receive') mailbox.receive()
        else if (item.kind === 'reply') {
          const answer = mailbox.reply(bytes(0))
          if (answer !== undefined) done.push(`${answer.client}${answer.sequence}`)
        } else mailbox = new Mailbox(LIMITS, mailbox.state())
      }
      expect(new Set(done).size).toBe(done.length)
      expect(done.every((name) => asked.has(name))).toBe(true)
    }),
  )
})
