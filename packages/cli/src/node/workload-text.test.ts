import { expect, test } from 'vitest'
import { inWords } from './workload-text.js'

test('every state of a workload is a sentence', () => {
  const of = (state: Parameters<typeof inWords>[0]['state'], more = {}): string => inWords({ id: 'w', state, epoch: 2, ...more })
  expect(of('running')).toBe('w runs here (epoch 2)')
  expect(of('leaving', { phase: 'copying' })).toBe('w is leaving: copying')
  expect(of('leaving')).toBe('w is leaving: preparing')
  expect(of('settling')).toContain('nothing runs until its target answers')
  expect(of('moved', { owner: 'b' })).toBe('w has moved to b (epoch 2)')
  expect(of('ended', { reason: 'enough' })).toBe('w has ended: enough')
  expect(of('waiting')).toBe('w waits: its source may take it back')
})
