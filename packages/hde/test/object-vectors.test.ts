import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bytesBase, createDecoder } from '../src/index.ts'

const page = await readFile(join(import.meta.dirname, '../../../docs/wire/objects.md'), 'utf8')
const vectors = (/```vectors\n([^]*?)```/.exec(page)?.[1] ?? '').trim().split('\n')
const [, base = '', pageStream = '', pages = '', bytes = '', former = '', documentStream = '', documents = ''] = ['', ...vectors].map(
  (line) => line.slice(line.indexOf(' ') + 1),
)

test('the stream of pages decodes to its pages', async () => {
  const parts: (readonly [string, string])[] = []
  const options = { as: 'pages', base: bytesBase(Buffer.from(base, 'hex')) } as const
  for await (const part of createDecoder().decode(Buffer.from(pageStream, 'hex'), options))
    parts.push([`${part.pages.join()} of ${part.pageBytes} in ${part.lengthBytes}`, Buffer.from(part.bytes).toString('hex')])
  expect(parts).toEqual([[pages, bytes]])
})

test('the stream of documents decodes to its documents', async () => {
  const batches: unknown[] = []
  const options = { as: 'documents', former: JSON.parse(former) } as const
  for await (const batch of createDecoder().decode(Buffer.from(documentStream, 'hex'), options)) batches.push(...batch)
  expect(JSON.stringify(batches)).toBe(documents)
})
