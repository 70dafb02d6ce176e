import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseTemplate, putTogether, takeApart } from './templates.ts'

test.each([
  ['node-00884', true, 'node-%5d', [884]],
  ['registry.local/api:8.12.0', false, 'registry.local/api:%d.%d.%d', [8, 12, 0]],
  ['5@d52ed84c97516165009515813e739f7a871b9b84', false, '%d@%40x', [5, 'd52ed84c97516165009515813e739f7a871b9b84']],
  ['100% of 0x07', false, '%d%% of %dx%2d', [100, 0, 7]],
])('%s is %s', (text, padded, template, tokens) => {
  expect(takeApart(text, padded)).toEqual({ template, tokens })
})

test('any text comes back', () => {
  const part = fc.oneof(fc.string(), fc.constantFrom('%', '%d', '%5d', '00', '0', 'x', 'deadbeef', '0123456789abcdef', '9'.repeat(20)))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.boolean(), (parts, padded) => {
      const text = parts.join('')
      const { template, tokens } = takeApart(text, padded)
      expect(putTogether(parseTemplate(template), tokens)).toBe(text)
    }),
    { numRuns: 2_000 },
  )
})
