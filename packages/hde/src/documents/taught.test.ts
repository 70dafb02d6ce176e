import { expect, test } from 'vitest'
import { deltaKernelsOnce } from '../delta/kernels.ts'
import { encodeBatch } from './batch.ts'
import { JSON_TEXTS } from './forms.ts'
import { documentDictionary, taughtBy } from './taught.ts'

/** More than any dictionary may hold, in a few hundred bytes: as one that a peer made to keep this side busy. */
const MANY = { documents: 1 << 16, nodes: 1 << 20, documentBytes: 1 << 26 }

function members(document: number, count: number): Uint8Array {
  return Buffer.from(JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${document}-${index}`, 1]))))
}

test('a dictionary that would teach for long is refused before it does', async () => {
  const kernels = await deltaKernelsOnce()
  const samples = Array.from({ length: 50 }, (_, index) => members(index, 1_000))
  const frame = await encodeBatch(kernels, { form: JSON_TEXTS, formers: samples.map(() => undefined) }, samples, MANY, undefined)
  const dictionary = new Uint8Array(Buffer.concat([Buffer.from('DWDD'), Uint8Array.of(1), frame]))
  expect(dictionary.length).toBeLessThan(1_000)
  await expect(taughtBy(kernels, dictionary)).rejects.toMatchObject({ code: 'ERR_HDE_LIMIT' })
})

test('a dictionary that says it was told from former versions is refused: it has none', async () => {
  const kernels = await deltaKernelsOnce()
  for (const count of [0, 1]) {
    const frame = Buffer.concat([Uint8Array.of(2, 1 + 4, count, 0, 0), Buffer.alloc(16)])
    const dictionary = new Uint8Array(Buffer.concat([Buffer.from('DWDD'), Uint8Array.of(1), frame]))
    await expect(taughtBy(kernels, dictionary)).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  }
})

test('what is trained is within what is accepted, however many members samples have', async () => {
  const kernels = await deltaKernelsOnce()
  for (const count of [3, 40, 300, 4_000]) {
    const samples = Array.from({ length: 200 }, (_, index) => members(index, count))
    const dictionary = await documentDictionary(kernels, samples, 'json', 16 << 10)
    if (dictionary === undefined) throw new Error(`no dictionary of documents of ${count} members`)
    expect(dictionary.length).toBeLessThanOrEqual(16 << 10)
    await taughtBy(kernels, dictionary)
  }
  const huge = Array.from({ length: 200 }, (_, index) => members(index, 20_000))
  expect(await documentDictionary(kernels, huge, 'json', 16 << 10)).toBeUndefined()
})
