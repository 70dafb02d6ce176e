import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { LinkedAbort } from './linked-abort.ts'

test('aborts with the reason of the first signal that does', () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const linked = new LinkedAbort(first.signal, undefined, second.signal)
  expect(linked.signal.aborted).toBe(false)
  second.abort('second')
  first.abort('first')
  expect(linked.signal.reason).toBe('second')
})

test('each of many follows the same signal', () => {
  const source = new AbortController()
  const followers = Array.from({ length: 3 }, () => new LinkedAbort(source.signal))
  source.abort('over')
  expect(followers.map(({ signal }) => signal.reason)).toEqual(['over', 'over', 'over'])
})

test('is aborted from the beginning where a signal is', () => {
  expect(new LinkedAbort(AbortSignal.abort('before')).signal.reason).toBe('before')
})

test('once disposed it follows nobody and leaves nothing behind', () => {
  const source = new AbortController()
  const linked = new LinkedAbort(source.signal)
  linked[Symbol.dispose]()
  source.abort('late')
  expect(linked.signal.aborted).toBe(false)
  expect(getEventListeners(source.signal, 'abort')).toEqual([])
})
