import { readFileSync } from 'node:fs'
import type { StateChunk } from '@dwcp/interface'
import { afterAll, expect, test, vi } from 'vitest'
import { createCodec } from '../src/index.ts'
import { codeOf, frames, noise, pagesOf, region } from './support.ts'

const page = readFileSync(new URL('../../../docs/wire/hde.md', import.meta.url), 'utf8')
const options = { workload: 'w', regions: [region(8, 8, 64)] }

interface Vector {
  readonly title: string
  readonly frames: readonly Uint8Array[]
  readonly chunks: readonly string[]
}

const vectors: readonly Vector[] = [...page.matchAll(/^### (.+)\n\n```vectors\n([^`]+)```/gm)].map(([, title = '', lines = '']) => ({
  title,
  frames: [...lines.matchAll(/^frame (\w+)$/gm)].map(([, hex = '']) => Buffer.from(hex, 'hex')),
  chunks: [...lines.matchAll(/^chunk (.+)$/gm)].map(([, json = '']) => json),
}))

/** As the page writes it. */
function written(chunk: StateChunk): string {
  if (chunk.kind === 'pages') return JSON.stringify({ ...chunk, pages: [...chunk.pages], bytes: Buffer.from(chunk.bytes).toString('hex') })
  return JSON.stringify(chunk.kind === 'opaque' ? { ...chunk, bytes: Buffer.from(chunk.bytes).toString('hex') } : chunk)
}

afterAll(() => void vi.unstubAllEnvs())

test('the page has vectors for every kind of frame and every codec', () => {
  expect(vectors).toHaveLength(5)
  expect(new Set(vectors.flatMap(({ frames: all }) => all.map((frame) => frame[1])))).toEqual(new Set([1, 2, 3, 4, 5, 6]))
})

test.each(
  vectors.flatMap((vector) => [
    { native: '', title: vector.title, vector },
    { native: 'off', title: vector.title, vector },
  ]),
)('with DWCP_NATIVE="$native" the vectors decode to what the page says: $title', async ({ native, vector }) => {
  vi.resetModules()
  vi.stubEnv('DWCP_NATIVE', native)
  const fresh = await import('../src/index.ts')
  const decoder = fresh.createCodec().decoder(options)
  const arrived: string[] = []
  for (const frame of vector.frames) for (const chunk of await decoder.decode(frame)) arrived.push(written(chunk))
  expect(arrived).toEqual(vector.chunks)
})

test('an encoder makes exactly the frames of the page where no codec has a say', async () => {
  const memory = new Uint8Array(512)
  memory.set(noise(1, 128), 64)
  const moved = memory.slice()
  moved.copyWithin(320, 128, 192)
  const made = await frames(
    createCodec().encoder(options),
    pagesOf(memory, [0, 1, 2], 0, 64),
    pagesOf(moved, [0, 1, 5], 0, 64),
    { kind: 'opaque', bytes: Uint8Array.of(1, 2, 3) },
    { kind: 'round', remainingBytes: 192, dirtyBytesPerSecond: 1.5 },
    { kind: 'stopped' },
    { kind: 'final', digest: 'sha-256:00ff' },
  )
  const hex = (all: readonly Uint8Array[] = []): readonly string[] => all.map((frame) => Buffer.from(frame).toString('hex'))
  expect(hex(made)).toEqual(hex(vectors[0]?.frames))
})

test('the start frame of the page asks for its baseline', async () => {
  const [, hex = ''] = /on baseline `sha-256:00ff`\n\n```text\n(\w+)/.exec(page) ?? []
  const error: unknown = await createCodec()
    .decoder(options)
    .decode(Buffer.from(hex, 'hex'))
    .catch((caught: unknown) => caught)
  expect(await codeOf(() => Promise.reject(error))).toBe('ERR_HDE_BASELINE_MISSING')
  expect(String(error)).toContain('sha-256:00ff')
})

test('the start frame of the page asks for each of its siblings', async () => {
  const [, hex = ''] = /looks into `sha-256:0102` and `sha-256:0304`\n\n```text\n(\w+)/.exec(page) ?? []
  const codec = createCodec({ siblingBaselines: 2 })
  const held = codec.encoder({ ...options, workload: 'sibling' })
  await held.encode({ kind: 'stopped' })
  held.close('sha-256:0102')
  const error: unknown = await codec
    .decoder(options)
    .decode(Buffer.from(hex, 'hex'))
    .catch((caught: unknown) => caught)
  expect(error).toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING', details: { digest: 'sha-256:0304' } })
})

test('a later version is refused by name', async () => {
  const frame = Buffer.from(vectors[0]?.frames[0] ?? [])
  frame[0] = 2
  expect(await codeOf(() => createCodec().decoder(options).decode(frame))).toBe('ERR_HDE_VERSION')
})
