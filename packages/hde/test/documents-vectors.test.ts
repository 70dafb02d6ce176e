import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createDecoder, createDictionaryStore, decodeDocuments, type JsonValue } from '../src/index.ts'

async function vectorsOf(page: string, lines: number): Promise<string[][]> {
  const text = await readFile(join(import.meta.dirname, '../../../docs/wire', page), 'utf8')
  const all = (/```vectors\n([^]*?)```/.exec(text)?.[1] ?? '').trim().split('\n')
  const values = all.map((line) => line.slice(line.indexOf(' ') + 1))
  return Array.from({ length: all.length / lines }, (_, index) => values.slice(lines * index, lines * (index + 1)))
}

describe('the pages of the wire formats', () => {
  test('have batches that decode to their documents', async () => {
    const vectors = await vectorsOf('documents.md', 3)
    expect(vectors.length).toBeGreaterThan(1)
    for (const [formers = '', frame = '', documents = ''] of vectors) {
      const known: (JsonValue | undefined)[] = JSON.parse(formers).map((former: JsonValue) => former ?? undefined)
      expect(JSON.stringify(await decodeDocuments(Buffer.from(frame, 'hex'), known))).toBe(documents)
    }
  })

  test('have objects that decode with their dictionary', async () => {
    const vectors = await vectorsOf('dictionaries.md', 3)
    expect(vectors.length).toBeGreaterThan(1)
    for (const [dictionary = '', frame = '', object = ''] of vectors) {
      const dictionaries = createDictionaryStore()
      if (dictionary !== '-') dictionaries.add(Buffer.from(dictionary, 'hex'))
      const parts: Uint8Array[] = []
      for await (const part of createDecoder({ dictionaries }).decode(Buffer.from(frame, 'hex'))) parts.push(part)
      expect(Buffer.concat(parts).toString()).toBe(object)
    }
  })
})
