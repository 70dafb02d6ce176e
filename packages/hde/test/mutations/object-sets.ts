import type { DocumentSet, PageSet } from '../../src/index.ts'
import { noise, prose } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { documentStreamParts, pageStreamParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'
import { gathered } from './streams.ts'

const PAGE_BYTES = 256
const LIMITS = { blockBytes: 8_192, windowBytes: 16_384, pages: 64, documents: 64, nodes: 4_096, documentBytes: 65_536 }
const REFUSALS = /^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING|DICTIONARY_MISSING)$/

/** Page sets against a base, a baseline, and nothing. */
export async function pageSets(makes: Modules, reads: Modules): Promise<Target> {
  const older = prose(81, 100 * PAGE_BYTES)
  const newer = Buffer.concat([older.subarray(0, 6_000), noise(82, 90), older.subarray(6_090), prose(83, 100)])
  const [ours, theirs] = [await makes.hde.createMemoryStore(), await reads.hde.createMemoryStore()]
  const { digest: baseline } = await ours.put(older)
  await theirs.put(older)
  const encoder = makes.hde.createEncoder({ baselines: ours })
  const decoder = reads.hde.createDecoder({ baselines: theirs, limits: LIMITS })
  const seed = async (numbers: readonly number[], against: object): Promise<Seed> => {
    const bytes = Buffer.concat(numbers.map((page) => newer.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)))
    const set: PageSet = { pages: Uint32Array.from(numbers), pageBytes: PAGE_BYTES, lengthBytes: newer.length, bytes }
    const stream = await gathered(encoder.encode(set, against))
    return {
      parts: () => pageStreamParts(stream),
      async decode(mutant) {
        const parts: Uint8Array[] = []
        const said: string[] = []
        for await (const part of decoder.decode(mutant, { as: 'pages' })) {
          said.push(`${part.lengthBytes} ${part.pageBytes} ${part.pages.join()}`)
          parts.push(part.bytes)
        }
        return Buffer.concat([Buffer.from(said.join('\n')), ...parts])
      },
    }
  }
  const seeds = [await seed([3, 22, 23, 24, 70], { baseline }), await seed([3, 22, 23, 24, 70], {}), await seed([23, 100], { baseline })]
  // A window, a block, three times a block for its streams; tables of a codec beside.
  return { name: 'page sets', seeds, refusals: REFUSALS, limitBytes: LIMITS.windowBytes + 6 * LIMITS.blockBytes + (1 << 20) }
}

/** Streams of one batch and of several, with and without former versions. */
export async function documentSets(makes: Modules, reads: Modules): Promise<Target> {
  const documents = Array.from({ length: 9 }, (_, index) => ({ node: `node-${index * 37}`, load: index / 8, tags: [`r${index}`] }))
  const former = documents.map((document, index) => (index === 2 ? undefined : { ...document, load: index / 4 }))
  const decoder = reads.hde.createDecoder({ limits: LIMITS })
  const seed = async (set: DocumentSet, most: number): Promise<Seed> => {
    const stream = await gathered(makes.hde.createEncoder({ limits: { documents: most } }).encode(set))
    return {
      parts: () => documentStreamParts(stream),
      async decode(mutant) {
        const batches: string[] = []
        const options = { as: 'documents', former: set.former } as const
        for await (const batch of decoder.decode(mutant, options)) batches.push(...batch.map((document) => JSON.stringify(document)))
        return Buffer.from(batches.join('\n'))
      },
    }
  }
  const seeds = [await seed({ documents }, 64), await seed({ documents }, 4), await seed({ documents, former }, 3)]
  return { name: 'document sets', seeds, refusals: REFUSALS, limitBytes: 4 << 20 }
}
