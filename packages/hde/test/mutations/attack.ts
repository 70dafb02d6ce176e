import { getHeapStatistics } from 'node:v8'
import { isDwcpError } from '@dwcp/interface'
import { mutate, mutateWhole, type Roll } from './mutate.ts'
import { type Part, serialized } from './parts.ts'

/** Something that decodes, as one kind of input after another. */
export interface Target {
  readonly name: string
  readonly seeds: readonly Seed[]
  /** Codes that may refuse a mutant. */
  readonly refusals: RegExp
  /** What decoding one may allocate, in buffers. */
  readonly limitBytes: number
}

/** A good input, and how a decoder that is ready for it reads it. */
export interface Seed {
  /** Made anew for each mutant. */
  readonly parts: () => Part[]
  /** What is laid around the parts. @defaultValue nothing */
  readonly wrap?: (bytes: Uint8Array) => Uint8Array
  /** @returns what came out, as bytes. */
  readonly decode: (bytes: Uint8Array) => Promise<Uint8Array>
}

export interface Tally {
  decoded: number
  refused: number
  slowestMs: number
  mostBytes: number
}

const SLOWEST_MS = 100
/** Of heap objects beside buffers, while one mutant is decoded. */
const HEAP_LIMIT_BYTES = 64 << 20
/** How often a slow mutant is tried: a busy machine and garbage collection are not the decoder's fault. */
const TRIES = 4

/**
 * Decodes mutants of the seeds. Each is refused with a code that is documented, or comes out as the content of one of the seeds;
 * where digests are forged (`content` is undefined), as anything. Throws for anything else, and for what takes too long or too much.
 */
export async function attack(target: Target, count: number, roll: Roll, isForged: boolean): Promise<Tally> {
  const contents = await Promise.all(target.seeds.map((seed) => seed.decode(wrapped(seed, seed.parts()))))
  const tally: Tally = { decoded: 0, refused: 0, slowestMs: 0, mostBytes: 0 }
  for (let done = 0; done < count; done += 1) {
    const seed = target.seeds[roll(target.seeds.length)]
    const donor = target.seeds[roll(target.seeds.length)]
    if (seed === undefined || donor === undefined) throw new RangeError(`${target.name} has no seeds`)
    const mutant = mutantOf(seed, donor, roll)
    const describe = (what: string): string => `${target.name}: ${what}: ${Buffer.from(mutant).toString('hex')}`
    const before = getHeapStatistics()
    let tookMs = await milliseconds(() => trial(seed, mutant, target, contents, isForged, tally, describe))
    const after = getHeapStatistics()
    tally.mostBytes = Math.max(tally.mostBytes, after.external_memory - before.external_memory)
    if (after.external_memory - before.external_memory > target.limitBytes)
      throw new Error(
        describe(`it allocated ${after.external_memory - before.external_memory} bytes, past its limit of ${target.limitBytes}`),
      )
    if (after.used_heap_size - before.used_heap_size > HEAP_LIMIT_BYTES) throw new Error(describe('it filled the heap'))
    for (let tries = 1; tookMs > SLOWEST_MS && tries < TRIES; tries += 1) {
      tookMs = Math.min(tookMs, await milliseconds(() => seed.decode(mutant).catch(() => undefined)))
    }
    if (tookMs > SLOWEST_MS) throw new Error(describe(`it took ${tookMs} ms of CPU`))
    tally.slowestMs = Math.max(tally.slowestMs, tookMs)
  }
  return tally
}

function wrapped(seed: Seed, parts: readonly Part[]): Uint8Array {
  const bytes = serialized(parts)
  return seed.wrap === undefined ? bytes : seed.wrap(bytes)
}

function mutantOf(seed: Seed, donor: Seed, roll: Roll): Uint8Array {
  const parts = seed.parts()
  if (roll(12) === 0) return mutateWhole(wrapped(seed, parts), roll)
  mutate(parts, donor.parts(), roll)
  return wrapped(seed, parts)
}

async function trial(
  seed: Seed,
  mutant: Uint8Array,
  target: Target,
  contents: readonly Uint8Array[],
  isForged: boolean,
  tally: Tally,
  describe: (what: string) => string,
): Promise<void> {
  try {
    const bytes = await seed.decode(mutant)
    if (!isForged && !contents.some((content) => Buffer.compare(content, bytes) === 0)) throw new Error(describe('it became other bytes'))
    tally.decoded += 1
  } catch (error) {
    if (!isDwcpError(error) || !target.refusals.test(error.code))
      throw new Error(describe('an error that is not documented'), { cause: error })
    tally.refused += 1
  }
}

/** Of CPU, all threads of this process: the machine may be busy with others. */
async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1000
}
