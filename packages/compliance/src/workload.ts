import {
  type Digest,
  type ExportControl,
  isDwcpError,
  type StateChunk,
  type Workload,
  type WorkloadDriver,
  type WorkloadManifest,
} from '@dwcp/interface'
import { afterEach, describe, expect, test } from 'vitest'

/** One driver under test, and a workload of it that runs and changes its memory by itself or at each `work`. */
export interface WorkloadLab {
  readonly driver: WorkloadDriver
  /** A running workload. */
  run(id: string): Promise<Workload>
  /** Lets it change some of its state; resolves when it has. */
  work(workload: Workload): Promise<void>
  /** What the program would answer if asked how far it is: grows with work, never goes back. */
  progress(workload: Workload): Promise<number>
  close(): Promise<void>
}

interface Exporting {
  readonly control: ExportControl
  readonly stop: AbortController
  readonly abort: AbortController
}

function control(): Exporting {
  const stop = new AbortController()
  const abort = new AbortController()
  return {
    control: { steering: { bytesPerSecond: 1e9, downtimeMs: 100, throttleRatio: 0 }, stop: stop.signal, signal: abort.signal },
    stop,
    abort,
  }
}

async function* counted(
  chunks: AsyncIterable<StateChunk>,
  onChunk: (chunk: StateChunk) => Promise<void> | void,
): AsyncGenerator<StateChunk, void, undefined> {
  for await (const chunk of chunks) {
    await onChunk(chunk)
    yield chunk
  }
}

/** The rules of `Workload` and `WorkloadTarget` (packages/interface/src/workload.ts), one test for each. */
export function workloadCompliance(name: string, open: () => Promise<WorkloadLab>): void {
  describe(`Workload: ${name}`, () => {
    const labs: WorkloadLab[] = []
    const setUp = async (): Promise<WorkloadLab> => {
      const lab = await open()
      labs.push(lab)
      return lab
    }
    afterEach(async () => {
      for (const lab of labs.splice(0)) await lab.close()
    })

    /** Moves `workload` to a fresh target, stopping after `rounds`. */
    const move = async (
      lab: WorkloadLab,
      workload: Workload,
      rounds = 2,
    ): Promise<{ moved: Workload; kinds: string[]; digests: readonly [Digest | undefined, Digest] }> => {
      const manifest = await workload.describe()
      const target = lab.driver.target()
      await target.prepare(manifest)
      const exporting = control()
      const kinds: string[] = []
      const sent: Digest[] = []
      let round = 0
      const chunks = counted(workload.export(exporting.control), async (chunk) => {
        kinds.push(chunk.kind)
        if (chunk.kind === 'final') sent.push(chunk.digest)
        if (chunk.kind !== 'round') return
        await lab.work(workload)
        if (++round === rounds) exporting.stop.abort()
      })
      const arrived = await target.import(chunks)
      const grant = { workload: workload.id, epoch: 2, owner: 'target', active: true }
      const moved = await target.start(grant)
      await workload.release(grant)
      return { moved, kinds, digests: [sent[0], arrived] }
    }

    test('describes itself in whole pages within their bound', async () => {
      const lab = await setUp()
      const manifest = await (await lab.run('w')).describe()
      expect(manifest.workload).toBe('w')
      expect(manifest.kind).toBe(lab.driver.kind)
      expect(manifest.regions.length).toBeGreaterThan(0)
      for (const region of manifest.regions) {
        expect(Number.isInteger(Math.log2(region.pageBytes))).toBe(true)
        expect(region.lengthBytes % region.pageBytes).toBe(0)
        expect(region.lengthBytes).toBeLessThanOrEqual(region.maxLengthBytes)
      }
    })

    test('goes on on the target where it stood on the source', async () => {
      const lab = await setUp()
      const workload = await lab.run('w')
      await lab.work(workload)
      const before = await lab.progress(workload)
      const { moved, digests } = await move(lab, workload)
      expect(digests[1]).toBe(digests[0])
      expect(moved.id).toBe('w')
      expect(await lab.progress(moved)).toBeGreaterThanOrEqual(before)
      const then = await lab.progress(moved)
      await lab.work(moved)
      expect(await lab.progress(moved)).toBeGreaterThan(then)
    })

    test('exports rounds, then stops, then the rest and one final digest', async () => {
      const lab = await setUp()
      const { kinds } = await move(lab, await lab.run('w'), 3)
      expect(kinds.filter((kind) => kind === 'round')).toHaveLength(3)
      expect(kinds.filter((kind) => kind === 'stopped')).toHaveLength(1)
      expect(kinds.filter((kind) => kind === 'final')).toHaveLength(1)
      expect(kinds.at(-1)).toBe('final')
      expect(kinds.indexOf('stopped')).toBeGreaterThan(kinds.lastIndexOf('round'))
    })

    test('gives batches of ascending whole pages', async () => {
      const lab = await setUp()
      const workload = await lab.run('w')
      const { regions } = await workload.describe()
      const exporting = control()
      for await (const chunk of workload.export(exporting.control)) {
        if (chunk.kind === 'round') exporting.stop.abort()
        if (chunk.kind !== 'pages') continue
        expect(chunk.bytes.length).toBe(chunk.pages.length * (regions[chunk.region]?.pageBytes ?? 0))
        expect([...chunk.pages]).toEqual([...new Set(chunk.pages)].sort((x, y) => x - y))
      }
      await workload.resume()
    })

    test('stands still from `stopped` on, and runs on after `resume` as if nothing had been', async () => {
      const lab = await setUp()
      const workload = await lab.run('w')
      await lab.work(workload)
      const exporting = control()
      let before = 0
      for await (const chunk of workload.export(exporting.control)) {
        if (chunk.kind !== 'round') continue
        before = await lab.progress(workload)
        exporting.stop.abort()
      }
      await workload.resume()
      await lab.work(workload)
      expect(await lab.progress(workload)).toBeGreaterThan(before)
      const { moved, digests } = await move(lab, workload)
      expect(digests[1]).toBe(digests[0])
      expect(await lab.progress(moved)).toBeGreaterThan(before)
    })

    test('runs on when an export is given up, and can be exported again', async () => {
      const lab = await setUp()
      const workload = await lab.run('w')
      const exporting = control()
      const reason = new Error('given up')
      const run = async (): Promise<void> => {
        for await (const chunk of workload.export(exporting.control)) if (chunk.kind === 'pages') exporting.abort.abort(reason)
      }
      await expect(run()).rejects.toThrow('given up')
      await lab.work(workload)
      const { moved, digests } = await move(lab, workload)
      expect(digests[1]).toBe(digests[0])
      await lab.work(moved)
    })

    test('stops also when asked in the middle of a pass, with nothing left out', async () => {
      const lab = await setUp()
      const workload = await lab.run('w')
      await lab.work(workload)
      const target = lab.driver.target()
      await target.prepare(await workload.describe())
      const exporting = control()
      const sent: Digest[] = []
      const arrived = await target.import(
        counted(workload.export(exporting.control), (chunk) => {
          if (chunk.kind === 'pages') exporting.stop.abort()
          if (chunk.kind === 'final') sent.push(chunk.digest)
        }),
      )
      expect([arrived]).toEqual(sent)
      await target.discard()
      await workload.resume()
      await lab.work(workload)
    })

    test('moves many times without losing its place', async () => {
      const lab = await setUp()
      let workload = await lab.run('w')
      let progress = 0
      for (let hop = 0; hop < 5; hop++) {
        await lab.work(workload)
        const now = await lab.progress(workload)
        expect(now).toBeGreaterThan(progress)
        progress = now
        const { moved, digests } = await move(lab, workload)
        expect(digests[1]).toBe(digests[0])
        workload = moved
      }
    })

    test('a target refuses what it cannot run, with the reason, before any state comes', async () => {
      const lab = await setUp()
      const manifest = await (await lab.run('w')).describe()
      const unknown: WorkloadManifest = { ...manifest, version: manifest.version + 1000 }
      const refusal = await lab.driver
        .target()
        .prepare(unknown)
        .catch((error: unknown) => error)
      expect(isDwcpError(refusal, 'ERR_MIGRATION_UNSUPPORTED')).toBe(true)
    })

    test('a target that loses its source in mid-import passes the failure on and discards', async () => {
      const lab = await setUp()
      const workload = await lab.run('w')
      const target = lab.driver.target()
      await target.prepare(await workload.describe())
      const exporting = control()
      const broken = counted(workload.export(exporting.control), (chunk) => {
        if (chunk.kind === 'round') exporting.abort.abort(new Error('source lost'))
      })
      await expect(target.import(broken)).rejects.toThrow('source lost')
      await target.discard()
      await lab.work(workload)
    })

    test('two targets of one driver do not share state', async () => {
      const lab = await setUp()
      const [one, two] = [await lab.run('one'), await lab.run('two')]
      await lab.work(one)
      const [a, b] = [await move(lab, one), await move(lab, two)]
      expect(a.digests[1]).toBe(a.digests[0])
      expect(b.digests[1]).toBe(b.digests[0])
      await lab.work(a.moved)
      await lab.work(b.moved)
    })
  })
}
