import type { StateChunk, WorkloadManifest } from '@dwcp/interface'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWasmDriver, loadWorkload } from '../src/index.ts'
import { opaqueParts } from '../src/wasm/opaque-parts.ts'
import { assemble } from './assembler.ts'
import { exportAll, grantFor, streamOf } from './carry.ts'

const MIB = 1 << 20
const driver = createWasmDriver({ maxMemoryBytes: 64 * MIB })
let manifest: WorkloadManifest
let chunks: readonly StateChunk[] = []

beforeAll(async () => {
  const source = await driver.run({ id: 'w', module: await loadWorkload('hash-chain') })
  await source.start()
  manifest = await source.describe()
  chunks = (await exportAll(source)).chunks
  await source.close()
})

const threads = (): number => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
const before = threads()
afterAll(() => expect(threads()).toBe(before))

async function refusal(broken: readonly StateChunk[]): Promise<unknown> {
  const target = driver.target()
  await target.prepare(manifest)
  const outcome = await target.import(streamOf(broken)).catch((error: unknown) => error)
  await target.discard()
  return outcome
}

const region = () => manifest.regions[0] ?? { pageBytes: 0, lengthBytes: 0, maxLengthBytes: 0 }
const pages = (numbers: readonly number[], lengthBytes = numbers.length * 4096, at = 0): StateChunk => ({
  kind: 'pages',
  region: at,
  pages: Uint32Array.from(numbers),
  bytes: new Uint8Array(lengthBytes),
})
const opaqueAt = (which: 'module' | 'host') =>
  chunks.findIndex((chunk) => chunk.kind === 'opaque' && chunk.bytes[0] === (which === 'module' ? 1 : 2))

describe('prepare refuses, with the reason', () => {
  test.each<readonly [string, Partial<WorkloadManifest>, RegExp]>([
    ['another kind', { kind: 'qemu' }, /"qemu"/],
    ['another version', { version: 2 }, /version 2/],
    ['what this node does not offer', { requires: { abi: '1', gpu: 'yes' } }, /gpu yes/],
    ['another ABI', { requires: { abi: '2' } }, /abi 2/],
    ['no region', { regions: [] }, /0 regions/],
    [
      'two regions',
      {
        regions: [
          { pageBytes: 4096, lengthBytes: 0, maxLengthBytes: 0 },
          { pageBytes: 4096, lengthBytes: 0, maxLengthBytes: 0 },
        ],
      },
      /2 regions/,
    ],
    ['pages of another size', { regions: [{ pageBytes: 65_536, lengthBytes: 65_536, maxLengthBytes: 65_536 }] }, /pages of 65536/],
    ['a length that is no multiple', { regions: [{ pageBytes: 4096, lengthBytes: 4096, maxLengthBytes: 65_536 }] }, /4096 of 65536/],
    ['a length past its bound', { regions: [{ pageBytes: 4096, lengthBytes: 131_072, maxLengthBytes: 65_536 }] }, /131072 of 65536/],
    [
      'a memory past the bound of this node',
      { regions: [{ pageBytes: 4096, lengthBytes: 65_536, maxLengthBytes: 64 * MIB + 65_536 }] },
      /maxMemoryBytes/,
    ],
  ])('%s', async (_, change, reason) => {
    const refused = driver.target().prepare({ ...manifest, ...change })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_MIGRATION_UNSUPPORTED', message: expect.stringMatching(reason) })
  })
})

describe('import refuses what is not a whole state', () => {
  test.each<readonly [string, () => readonly StateChunk[], RegExp]>([
    ['nothing', () => [], /ends early/],
    ['pages before the module', () => [pages([0]), ...chunks], /before the module/],
    ['pages of another region', () => [...chunks.slice(0, 1), pages([0], 4096, 1)], /region 1/],
    ['pages with too few bytes', () => [...chunks.slice(0, 1), pages([0, 1], 4096)], /2 pages in 4096/],
    ['pages out of order', () => [...chunks.slice(0, 1), pages([1, 0])], /page 0 after 1/],
    ['a page twice', () => [...chunks.slice(0, 1), pages([1, 1])], /page 1 after 1/],
    ['a page past the bound', () => [...chunks.slice(0, 1), pages([region().maxLengthBytes / 4096])], /of at most/],
    ['a page past the memory of the state', () => [...chunks.slice(0, 1), pages([1000]), ...chunks.slice(1)], /beyond the memory/],
    ['host state before the stop', () => chunks.filter(({ kind }) => kind !== 'stopped'), /before the stop/],
    ['pages after the host state', () => chunks.toSpliced(opaqueAt('host') + 1, 0, pages([0])), /after the host state/],
    [
      'a second host state',
      () => chunks.toSpliced(opaqueAt('host') + 1, 0, ...chunks.slice(opaqueAt('host'), opaqueAt('host') + 1)),
      /second host state/,
    ],
    ['no host state', () => chunks.toSpliced(opaqueAt('host'), 1), /end comes before the host state/],
    ['no end', () => chunks.slice(0, -1), /ends early/],
    ['something after the end', () => [...chunks, pages([0])], /after the end/],
    ['a second module', () => chunks.toSpliced(1, 0, ...chunks.slice(opaqueAt('module'), 1)), /before the stop/],
  ])('%s', async (_, broken, reason) => {
    expect(await refusal(broken())).toMatchObject({ code: 'ERR_MIGRATION_STATE_INVALID', message: expect.stringMatching(reason) })
  })

  test('a module that cannot be carried', async () => {
    const module = assemble({ memories: [] })
    const header = new Uint8Array(9 + module.length)
    header[0] = 1
    new DataView(header.buffer).setUint32(1, module.length)
    header.set(module, 9)
    expect(await refusal([{ kind: 'opaque', bytes: header }])).toMatchObject({ code: 'ERR_MIGRATION_UNSUPPORTED' })
  })

  test('a bit that was flipped on the way shows in the digest', async () => {
    const target = driver.target()
    await target.prepare(manifest)
    const flipped = chunks.map((chunk) =>
      chunk.kind === 'pages' ? { ...chunk, bytes: chunk.bytes.map((byte, i) => (i === 77 ? byte ^ 4 : byte)) } : chunk,
    )
    const digest = await target.import(streamOf(flipped))
    expect(chunks.at(-1)).not.toEqual({ kind: 'final', digest })
    await target.discard()
  })
})

test('a target takes its steps in order, once, and is as new after discard', async () => {
  const target = driver.target()
  await expect(target.import(streamOf(chunks))).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
  await expect(target.start(grantFor('w'))).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
  await target.prepare(manifest)
  await expect(target.prepare(manifest)).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
  await target.import(streamOf(chunks))
  await expect(target.import(streamOf(chunks))).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
  await expect(target.start(grantFor('another'))).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
  await target.discard()
  await target.discard()
  await expect(target.start(grantFor('w'))).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
  await target.prepare(manifest)
  await target.import(streamOf(chunks))
  const workload = await target.start(grantFor('w'))
  await target.discard()
  expect((await workload.stats()).running).toBe(true)
  await workload.close()
})

test('a memory longer than its module may have is refused before pages come, and leaves nothing behind', async () => {
  const target = driver.target()
  // From one page of 64 KiB to two.
  const module = assemble({ memories: [[1, 1, 2]] })
  const parts = [...opaqueParts('module', module)].map((bytes): StateChunk => ({ kind: 'opaque', bytes }))
  await target.prepare({ ...manifest, regions: [{ ...region(), lengthBytes: 3 * 65_536 }] })
  await expect(target.import(streamOf(parts))).rejects.toThrow(/maximum memory size/i)
  await target.discard()
})

test('a discard in the middle of an import ends it', async () => {
  const target = driver.target()
  await target.prepare(manifest)
  async function* interrupted(): AsyncIterable<StateChunk> {
    yield* chunks.slice(0, 2)
    await target.discard()
    yield* chunks.slice(2)
  }
  await expect(target.import(interrupted())).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
})
