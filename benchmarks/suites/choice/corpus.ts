import { readFile } from 'node:fs/promises'
import { CorpusAbsent } from '../../corpora/corpora-folder.js'
import { PAIRS, type Pair } from '../../corpora/pairs.js'
import { type Region, regionsOf } from './regions.js'

/** Batches of a first copy are full, 2048 pages into an image; those of later rounds hold what happens to have changed. */
export const SIZES: readonly number[] = [256, 32, 1024, 96, 2048, 512]
const REGIONS_OF_A_PAIR = 8
const REGIONS_OF_A_COPY = 5

/** Regions of every pair that this machine has, in its own group; what is absent is told to `note`. */
export async function corpusRegions(note: (text: string) => void): Promise<readonly Region[]> {
  const regions: Region[] = []
  for (const pair of PAIRS) {
    try {
      regions.push(...(await pairRegions(pair)))
    } catch (cause) {
      if (!(cause instanceof CorpusAbsent)) throw cause
      note(`without ${pair.name}: ${cause.message}`)
    }
  }
  return regions
}

async function pairRegions(pair: Pair): Promise<readonly Region[]> {
  const built = await pair.build()
  const after = await readFile(built.after)
  const before = built.before === undefined ? undefined : await readFile(built.before)
  const options = { group: groupOf(pair), sizes: SIZES }
  const copies = regionsOf(after, undefined, { ...options, most: REGIONS_OF_A_COPY })
  return before === undefined ? copies : [...regionsOf(after, before, { ...options, most: REGIONS_OF_A_PAIR }), ...copies]
}

/** One guest is one group, whatever its instants: they share most of their memory. */
function groupOf({ name, content }: Pair): string {
  return content === 'memory' ? (name.split(' ')[0] ?? name) : name
}
