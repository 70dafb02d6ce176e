import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bytesBase, createDeltaDecoder } from '../src/index.ts'

const page = await readFile(join(import.meta.dirname, '../../../docs/wire/delta.md'), 'utf8')
const lines = (/```vectors\n([^]*?)```/.exec(page)?.[1] ?? '').trim().split('\n')
const vectors = Array.from({ length: lines.length / 3 }, (_, index) =>
  lines.slice(3 * index, 3 * index + 3).map((line) => Buffer.from(line.split(' ')[1] ?? '', 'hex')),
)

test('the page has vectors', () => expect(vectors.length).toBeGreaterThan(1))

test.each(vectors)(
  'vector %# decodes to its object',
  async (base = Buffer.alloc(0), stream = Buffer.alloc(0), object = Buffer.alloc(0)) => {
    const parts: Uint8Array[] = []
    for await (const part of createDeltaDecoder().decode(stream, { base: bytesBase(base) })) parts.push(part)
    expect(Buffer.concat(parts).toString('hex')).toBe(object.toString('hex'))
  },
)
