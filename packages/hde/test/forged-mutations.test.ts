import type * as HashModule from '@dwcp/native-rdma/hash'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type * as FrameModule from '../src/state/frame.ts'
import { attack, type Target } from './mutations/attack.ts'
import { kernels } from './mutations/kernels.ts'
import { BACKENDS, type Modules, modulesOn } from './mutations/modules.ts'
import { rolls } from './mutations/mutate.ts'
import { documentSets, pageSets } from './mutations/object-sets.ts'
import { givenDictionaries, objects } from './mutations/objects.ts'
import { pageFrames } from './mutations/page-frames.ts'
import { changeBatches, columns } from './mutations/records.ts'
import { forgedStoreFiles } from './mutations/store-files.ts'
import { deltaStreams, documentBatches, v1Deltas } from './mutations/streams.ts'

// XXH3-128 stops no forger, so every check of this file's encoders and decoders is the same sixteen bytes: mutants get behind them.
vi.mock('@dwcp/native-rdma/hash', async (original) => {
  const real = await original<typeof HashModule>()
  const forged = (): Uint8Array => new Uint8Array(16)
  return {
    ...real,
    loadHash: async (): Promise<object> => ({
      ...(await real.loadHash()),
      xxh3_128: forged,
      stream: () => ({ update: () => undefined, digest: forged }),
    }),
  }
})

// Those of frames of pages are verified by the addon, where pages are made: they are not handed to it.
vi.mock('../src/state/frame.ts', async (original) => {
  const frame = await original<typeof FrameModule>()
  const openFrame = (...args: Parameters<typeof frame.openFrame>): object => ({ ...frame.openFrame(...args), check: undefined })
  return { ...frame, openFrame }
})

/** Over all decoders and backends. */
const WANTED = Number(process.env['DWCP_MUTATIONS'] ?? 42_000)
const SEED = Number(process.env['DWCP_SEED'] ?? Date.now() % 2 ** 31)

const MAKERS = [
  pageFrames,
  deltaStreams,
  documentBatches,
  columns,
  changeBatches,
  givenDictionaries,
  objects,
  pageSets,
  documentSets,
  forgedStoreFiles,
  v1Deltas,
] as const

let makes: Modules
beforeAll(async () => {
  makes = await modulesOn('native')
})
afterAll(() => void vi.unstubAllEnvs())

describe.each(BACKENDS)('by %s decoders', (backend) => {
  test('mutants with forged digests are refused or decoded, soon and within their limits', { timeout: 60_000 + WANTED }, async () => {
    const reads = await modulesOn(backend)
    const framed = await Promise.all(MAKERS.map((make) => make(makes, reads)))
    const targets: readonly Target[] = [...framed, ...(await kernels(makes, reads))]
    const count = WANTED / BACKENDS.length / targets.length
    for (const target of targets) {
      const tally = await attack(target, count, rolls(SEED), true).catch((cause: unknown) => {
        throw new Error(`DWCP_SEED=${SEED}`, { cause })
      })
      if (WANTED > 1_000_000) process.stderr.write(`${backend}, forged ${target.name}: ${JSON.stringify(tally)}\n`)
      expect(tally.decoded, target.name).toBeGreaterThan(0)
      expect(tally.refused, target.name).toBeGreaterThan(count / 10)
    }
  })
})
