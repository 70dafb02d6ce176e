import type { ChangeValue, JsonValue } from '../../src/index.ts'
import { seeded } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { documentParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'

const LIMITS = { documents: 64, nodes: 4_096, documentBytes: 65_536 }
const COUNT = 24
const REFUSALS = /^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING|DICTIONARY_MISSING)$/
const LIMIT_BYTES = 4 << 20

function hex(roll: () => number, digits: number): string {
  return Array.from({ length: digits }, () => (roll() % 16).toString(16)).join('')
}

/** Like those of a CRDT, and with every value that a change can hold. */
function history(seed: number): ChangeValue[] {
  const roll = seeded(seed)
  const actors = Array.from({ length: 3 }, () => hex(roll, 16))
  let latest = hex(roll, 64)
  return Array.from({ length: COUNT }, (_, index) => {
    const actor = actors[roll() % actors.length] ?? ''
    const deps = [latest]
    latest = hex(roll, 64)
    const odd: readonly ChangeValue[] = [
      -0,
      Number.NaN,
      2 ** 60,
      -(2n ** 63n),
      2n ** 64n - 1n,
      Uint8Array.of(1, 2, roll() % 256),
      1e-300,
      null,
    ]
    const ops = [
      { action: 'set', obj: `${index}@${actor}`, key: `node-${roll() % 30}`, value: (roll() % 1_000) / 8 },
      { action: 'del', obj: '_root', key: 'at', value: odd[index % odd.length] ?? null },
    ]
    return { actor, seq: index, startOp: 2 * index, time: 1_790_000_000 + 5 * index, deps, hash: latest, ops }
  })
}

function changeText(changes: readonly ChangeValue[]): Uint8Array {
  const text = JSON.stringify(changes, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    if (typeof value === 'number' && !Number.isFinite(value)) return `${value}`
    if (Object.is(value, -0)) return '-0'
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  })
  return Buffer.from(text)
}

export async function changeBatches({ hde }: Modules, reads: Modules): Promise<Target> {
  const batches = [
    await hde.encodeChanges(history(61)),
    await hde.encodeChanges(history(62), { actorKey: 'nobody' }),
    await hde.encodeChanges(history(63).slice(0, 2)),
  ]
  const seeds = batches.map((bytes): Seed => {
    const decode = async (mutant: Uint8Array): Promise<Uint8Array> => changeText(await reads.hde.decodeChanges(mutant, { limits: LIMITS }))
    return { parts: () => documentParts(bytes), decode }
  })
  return { name: 'changes', seeds, refusals: REFUSALS, limitBytes: LIMIT_BYTES }
}

/** One column each, in every way that its batches can be told: documents that are a number or a text. */
export async function columns({ hde }: Modules, reads: Modules): Promise<Target> {
  const roll = seeded(64)
  const at = (make: (index: number) => JsonValue): JsonValue[] => Array.from({ length: COUNT }, (_, index) => make(index))
  const batches: readonly JsonValue[][] = [
    at((index) => 1_790_000_000_000 + 5_000 * index),
    at((index) => (index % 3 === 0 ? -1 : 1) * (roll() % 1_000_000)),
    at(() => (roll() % 10_000) / 1_000),
    at((index) => (index % 5 === 0 ? 1e300 : roll() * 1e-20)),
    at((index) => `node-${String(index).padStart(5, '0')}`),
    at(() => `vm-${hex(roll, 12)} of ${roll() % 9}@rack ${roll() % 40}`),
    at(() => hex(roll, 40)),
    at((index) => (index % 4 === 0 ? 'Draining %d' : 'Ready')),
    at((index) => `${'x'.repeat(roll() % 40)}\n"${index}"`),
    at((index) => [index, `${index}`, { [`key-${index % 3}`]: index % 2 === 0 }]),
  ]
  const seeds: Seed[] = []
  for (const [index, batch] of batches.entries()) {
    // The batch before is like the one after of its own kind by chance only: texts told from numbers, shapes that changed.
    const former = index % 2 === 0 ? batch.map((one) => one) : (batches[index - 1] ?? batch)
    for (const previous of [batch.map(() => undefined), former.toReversed()]) {
      const bytes = await hde.encodeDocuments(batch, previous)
      const decode = async (mutant: Uint8Array): Promise<Uint8Array> =>
        Buffer.from(JSON.stringify(await reads.hde.decodeDocuments(mutant, previous, { limits: LIMITS })))
      seeds.push({ parts: () => documentParts(bytes), decode })
    }
  }
  return { name: 'columns of documents', seeds, refusals: REFUSALS, limitBytes: LIMIT_BYTES }
}
