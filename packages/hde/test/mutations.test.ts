import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { attack, type Target } from './mutations/attack.ts'
import { chunkAnswers, chunkQuestions, chunkStreams } from './mutations/chunk-exchange.ts'
import { BACKENDS, type Modules, modulesOn } from './mutations/modules.ts'
import { rolls } from './mutations/mutate.ts'
import { documentSets, pageSets } from './mutations/object-sets.ts'
import { givenDictionaries, objects } from './mutations/objects.ts'
import { pageFrames } from './mutations/page-frames.ts'
import { changeBatches, columns } from './mutations/records.ts'
import { storeFiles } from './mutations/store-files.ts'
import { deltaStreams, documentBatches, v1Packets } from './mutations/streams.ts'

/** Over all decoders and backends; the native decoders have more in their own test. */
const WANTED = Number(process.env['DWCP_MUTATIONS'] ?? 56_000)
const SEED = Number(process.env['DWCP_SEED'] ?? Date.now() % 2 ** 31)
const MAKERS = [
  ['frames of pages and state', pageFrames],
  ['delta streams', deltaStreams],
  ['documents', documentBatches],
  ['columns of documents', columns],
  ['changes', changeBatches],
  ['dictionaries', givenDictionaries],
  ['objects', objects],
  ['page sets', pageSets],
  ['document sets', documentSets],
  ['chunk questions', chunkQuestions],
  ['chunk answers', chunkAnswers],
  ['chunk streams', chunkStreams],
  ['files of a store', storeFiles],
  ['v1 packets', v1Packets],
] as const

let makes: Modules
beforeAll(async () => {
  makes = await modulesOn('native')
})
afterAll(() => void vi.unstubAllEnvs())

describe.each(BACKENDS)('by %s decoders', (backend) => {
  test.each(MAKERS)('mutants of %s are refused or right, soon and within their limits', { timeout: 60_000 + WANTED }, async (_, make) => {
    const target: Target = await make(makes, await modulesOn(backend))
    const count = WANTED / BACKENDS.length / MAKERS.length
    const tally = await attack(target, count, rolls(SEED), false).catch((cause: unknown) => {
      throw new Error(`DWCP_SEED=${SEED}`, { cause })
    })
    if (WANTED > 1_000_000) process.stderr.write(`${backend}, ${target.name}: ${JSON.stringify(tally)}\n`)
    expect(tally.refused).toBeGreaterThan(count / 2)
    expect(tally.decoded).toBeGreaterThan(0)
  })
})
