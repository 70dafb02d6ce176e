import { expect, test } from 'vitest'
import { createCodec, type PageCodec } from '../src/index.ts'
import { codeOf, digestOf, noise, PAGE_BYTES, pagesOf, pass, prose, range, region, store } from './support.ts'

const PAGES = 64
const regions = [region(PAGES)]
const memory = noise(1, PAGES * PAGE_BYTES)

/** Both sides see `content` of `workload` once, and keep it. */
async function agree(source: PageCodec, target: PageCodec, workload: string, content: Uint8Array, digest: number): Promise<void> {
  const [encoder, decoder] = [source.encoder({ workload, regions }), target.decoder({ workload, regions })]
  await pass(encoder, decoder, pagesOf(content, range(PAGES)))
  for (const side of [encoder, decoder]) side.close(digestOf(digest))
}

test('a workload without a baseline builds on the one of another workload that has most of its pages, wherever they are', async () => {
  const [source, target] = [createCodec({ siblingBaselines: 4 }), createCodec({ siblingBaselines: 4 })]
  await agree(source, target, 'machine', memory, 1)
  await agree(source, target, 'newer, but unlike it', noise(2, memory.length), 2)
  const moved = new Uint8Array(memory.length)
  for (const page of range(PAGES)) moved.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), (PAGES - 1 - page) * PAGE_BYTES)
  expect(target.baselines('sibling')).toEqual([digestOf(2), digestOf(1)])
  const options = { workload: 'sibling', regions }
  const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('sibling') }), target.decoder(options)]
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(encoder, decoder, pagesOf(moved, range(PAGES))))
  expect(Buffer.compare(arrived, moved)).toBe(0)
  expect(encoder.stats()).toMatchObject({ baseline: digestOf(1), pages: { duplicate: PAGES } })
  expect(encoder.stats().wireBytes).toBeLessThan(400)
  for (const side of [encoder, decoder]) side.close(digestOf(3))
  // Its own comes first from now on.
  const next = source.encoder({ ...options, have: target.baselines('sibling') })
  await next.encode(pagesOf(moved, range(PAGES)))
  expect(next.stats().baseline).toBe(digestOf(3))
})

test('no image begins as a baseline of another workload that has no page of it, or where none shall serve', async () => {
  const [source, target] = [createCodec({ siblingBaselines: 4 }), createCodec({ siblingBaselines: 4 })]
  await agree(source, target, 'machine', memory, 1)
  const options = { workload: 'sibling', regions, have: [digestOf(1)] }
  const unlike = source.encoder(options)
  await unlike.encode(pagesOf(noise(5, memory.length), range(PAGES)))
  expect(unlike.stats()).toMatchObject({ siblings: [digestOf(1)] })
  expect(unlike.stats().baseline).toBeUndefined()

  const strict = createCodec()
  await agree(source, strict, 'machine', memory, 1)
  expect(strict.baselines('sibling')).toEqual([])
  const [start] = await source.encoder(options).encode(pagesOf(memory, range(PAGES)))
  expect(await codeOf(() => strict.decoder(options).decode(start ?? new Uint8Array(0)))).toBe('ERR_HDE_BASELINE_MISSING')
})

test('256 MiB without a change cost less than 1 KB', { timeout: 120_000 }, async () => {
  const chunkPages = 16_384
  const whole = { workload: 'w', regions: [region(4 * chunkPages)] }
  const bytes = new Uint8Array(chunkPages * PAGE_BYTES)
  const text = prose(1, PAGE_BYTES)
  // One half has content, each page its own, and the other half is zeros.
  for (let page = 0; page < chunkPages / 2; page += 1) {
    bytes.set(text, page * PAGE_BYTES)
    new DataView(bytes.buffer).setUint32(page * PAGE_BYTES, page)
  }
  const encoder = createCodec().encoder(whole)
  const encodeAll = async (): Promise<number> => {
    const before = encoder.stats().wireBytes
    for (const chunk of range(4)) {
      const pages = Uint32Array.from({ length: chunkPages }, (_, page) => chunk * chunkPages + page)
      await encoder.encode({ kind: 'pages', region: 0, pages, bytes })
    }
    return encoder.stats().wireBytes - before
  }
  await encodeAll()
  expect(await encodeAll()).toBeLessThan(1000)
  expect(encoder.stats().pages.unchanged).toBe(2 * chunkPages)
})

test('closing ends a call under way, and a codec goes on as if it had not been', async () => {
  const codec = createCodec()
  const encoder = codec.encoder({ workload: 'w', regions })
  await encoder.encode({ kind: 'stopped' })
  const encoding = encoder.encode(pagesOf(memory, range(PAGES)))
  encoder.close(digestOf(1))
  expect(['no error', 'ERR_HDE_STATE']).toContain(await codeOf(() => encoding))
  expect(codec.baselines('w')).toEqual([])
  const again = codec.encoder({ workload: 'w', regions })
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(again, codec.decoder({ workload: 'w', regions }), pagesOf(memory, range(PAGES))))
  expect(Buffer.compare(arrived, memory)).toBe(0)
})
