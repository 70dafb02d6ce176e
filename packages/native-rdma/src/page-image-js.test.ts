import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { loadHash } from './hash.js'
import { loadPageImages, type PageImage } from './page-image.js'

const PAGE_BYTES = 4096
const REGIONS = [{ pageBytes: PAGE_BYTES, maxPages: 16, firstPage: 0 }]
const images = loadPageImages(await loadHash(), 'js')
const OPTIONS = { zeros: true, duplicates: true, delta: true, changedPages: 16 }
const content = randomBytes(PAGE_BYTES)

/** Page 2 of memory is `content`; as a decoder leaves it. */
async function decoded(): Promise<PageImage> {
  const image = images.create(REGIONS)
  const none = new Uint32Array()
  const frame = { region: 0, pageBytes: PAGE_BYTES, pages: Uint32Array.of(2), references: none, sources: none, method: 0, payload: content }
  const full = (await encodedAgainst(undefined, content, 2)).outcomes
  const { commit } = await images.read({ ...frame, outcomes: full }, image)
  commit()
  return image
}

async function encodedAgainst(image: PageImage | undefined, bytes: Uint8Array, page: number) {
  const batch = images.batch(image)
  const owned = { region: 0, pageBytes: PAGE_BYTES, pages: Uint32Array.of(page), bytes }
  const taken = await batch.take(owned, OPTIONS)
  return { ...taken, batch }
}

/** Most of `content`, by one word further back. */
function moved(): Uint8Array {
  return Buffer.concat([randomBytes(8), content.subarray(0, PAGE_BYTES - 8)])
}

test('what a decoder was given is found where it moved to, in forks too', async () => {
  const image = await decoded()
  for (const origin of [image, image.fork(REGIONS)]) {
    const { sources, batch } = await encodedAgainst(origin, moved(), 7)
    expect(sources).toBe(1)
    expect((await batch.pack({ method: 3, level: 3, spareBytes: 0 })).sources).toEqual(Uint32Array.of(2))
  }
})

test('a batch that is closed while pieces are looked for takes nothing', async () => {
  const image = images.create([{ pageBytes: PAGE_BYTES, maxPages: 1024, firstPage: 0 }])
  const pages = Uint32Array.from({ length: 512 }, (_, page) => page)
  const [first, second] = [images.batch(image), images.batch(image)]
  await first.take({ region: 0, pageBytes: PAGE_BYTES, pages, bytes: randomBytes(512 * PAGE_BYTES) }, { ...OPTIONS, changedPages: 512 })
  await first.pack({ method: 0, level: 0, spareBytes: 0 })
  const taking = second.take({ region: 0, pageBytes: PAGE_BYTES, pages: Uint32Array.of(600), bytes: content }, OPTIONS)
  second.close()
  await expect(taking).rejects.toMatchObject({ code: 'ERR_NATIVE_CLOSED' })
})
