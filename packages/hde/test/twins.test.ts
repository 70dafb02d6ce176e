import type { StateChunk } from '@dwcp/interface'
import { afterAll, expect, test, vi } from 'vitest'
import type { EncodingProfile, PageCodec } from '../src/index.ts'
import { frames, noise, PAGE_BYTES, pagesOf, prose, range, region } from './support.ts'

const regions = [region(64)]
const options = { workload: 'w', regions }

afterAll(() => void vi.unstubAllEnvs())

/** A codec from modules loaded anew, on the addon or on the JavaScript twins. */
async function codecOn(backend: 'native' | 'js', profile: EncodingProfile): Promise<PageCodec> {
  vi.resetModules()
  vi.stubEnv('DWCP_NATIVE', backend === 'js' ? 'off' : '')
  const { createCodec } = await import('../src/index.ts')
  const codec = createCodec({ profile: () => profile })
  // Which backend serves is settled by the first use.
  const encoder = codec.encoder(options)
  await encoder.encode({ kind: 'stopped' })
  const served = Object.values(encoder.stats().backends ?? {})
  const missing = served.filter((what) => !what.startsWith(backend))
  // A host that cannot build the addon still tests the twins against themselves; CI must have it.
  if (missing.length > 0 && backend === 'native' && process.env['CI'] !== 'true')
    process.stderr.write(`NO ADDON HERE, twins stand in: ${missing.join('; ')}\n`)
  else expect(missing).toEqual([])
  return codec
}

/** Compressible and random pages, then changed words and moved pages: every codec and outcome. */
function workload(): readonly StateChunk[] {
  const memory = new Uint8Array(64 * PAGE_BYTES)
  memory.set(prose(1, 32 * PAGE_BYTES))
  memory.set(noise(2, 16 * PAGE_BYTES), 40 * PAGE_BYTES)
  const first = pagesOf(memory, range(64))
  for (const page of [...range(16), ...range(8, 40)]) memory[page * PAGE_BYTES + 99] = page
  memory.copyWithin(50 * PAGE_BYTES, 20 * PAGE_BYTES, 24 * PAGE_BYTES)
  return [first, pagesOf(memory, [...range(20), ...range(20, 40)]), { kind: 'opaque', bytes: prose(5, 100_000) }]
}

const directions = (['datacenter', 'hybrid', 'internet', 'v1'] as const).flatMap((profile) => [
  [profile, 'native', 'js'] as const,
  [profile, 'js', 'native'] as const,
  [profile, 'js', 'js'] as const,
])

test.each(directions)('%s: frames made on %s decode on %s to the same bytes', { timeout: 60_000 }, async (profile, makes, reads) => {
  const chunks = workload()
  const made = await frames((await codecOn(makes, profile)).encoder(options), ...chunks)
  const decoder = (await codecOn(reads, profile)).decoder(options)
  const arrived: StateChunk[] = []
  for (const frame of made) arrived.push(...(await decoder.decode(frame)))
  const bytesOf = (all: readonly StateChunk[]): Buffer => Buffer.concat(all.flatMap((chunk) => ('bytes' in chunk ? [chunk.bytes] : [])))
  expect(arrived.map(({ kind }) => kind)).toEqual(chunks.map(({ kind }) => kind))
  expect(bytesOf(arrived).equals(bytesOf(chunks))).toBe(true)
})
