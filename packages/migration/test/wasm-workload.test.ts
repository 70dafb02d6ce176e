import { isDwcpError, type StateChunk } from '@dwcp/interface'
import { describe, expect, test } from 'vitest'
import {
  createWasmDriver,
  HashChainVerifier,
  hashChain,
  kv,
  loadWorkload,
  replay,
  type SliceInput,
  simulation,
  type WasmWorkload,
} from '../src/index.ts'
import { assemble, i32Const, importedFunction } from './assembler.ts'
import { controlOf, exportAll, grantFor, kept, move, streamOf } from './carry.ts'

const MIB = 1 << 20
const END = 0x0b
/** Logs nothing but that it runs, and never ends its slice. */
const SPIN = assemble({
  types: [[0x60, 2, 0x7f, 0x7f, 0]],
  imports: [importedFunction('dwcp', 'log', 4)],
  step: [...i32Const(0), ...i32Const(0), 0x10, 0, 0x03, 0x40, 0x0c, 0, END, ...i32Const(0), END],
})
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A client that numbers its requests. */
function clientOf(name = 'test') {
  let sequence = 0
  return (workload: WasmWorkload, payload: Uint8Array) => workload.request({ client: name, sequence: ++sequence, payload })
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (isDwcpError(error)) return error.code
    throw error
  }
  return 'resolved'
}

/** Neighbouring chunks of pages as one. */
function together(chunks: readonly StateChunk[]): readonly StateChunk[] {
  const joined: StateChunk[] = []
  for (const chunk of chunks) {
    const last = joined.at(-1)
    if (chunk.kind !== 'pages' || last?.kind !== 'pages') joined.push(chunk)
    else {
      const pages = Uint32Array.from([...last.pages, ...chunk.pages])
      joined[joined.length - 1] = { ...chunk, pages, bytes: Buffer.concat([last.bytes, chunk.bytes]) }
    }
  }
  return joined
}

/** Overwrites the pages of each chunk when the next one is asked for. */
async function* lentFrom(chunks: readonly StateChunk[]): AsyncIterable<StateChunk> {
  for (const chunk of chunks) {
    yield chunk
    if (chunk.kind === 'pages') chunk.bytes.fill(0xa5)
  }
}

describe('a workload that moves', () => {
  test('a hash chain goes on in another worker where it was', async () => {
    const driver = createWasmDriver()
    let workload: WasmWorkload = await driver.run({ id: 'chain', module: await loadWorkload('hash-chain') })
    await workload.start()
    const ask = clientOf()
    const verifier = new HashChainVerifier()
    const before = hashChain.decode(await ask(workload, hashChain.pace(0)))
    expect(verifier.verify(before)).toBe(true)
    for (const rounds of [2, 0, 1]) workload = await move(workload, driver, rounds)
    const after = hashChain.decode(await ask(workload, hashChain.status()))
    expect(after.links).toBeGreaterThan(before.links)
    expect(after.nowMs).toBeGreaterThanOrEqual(before.nowMs)
    expect(verifier.verify(after)).toBe(true)
    await workload.close()
  })

  test('a large memory arrives whole while it changes, and every page is what it must be', async () => {
    const driver = createWasmDriver()
    const options = { pages: (16 * MIB) / 4096, changingPages: (8 * MIB) / 4096, pagesPerSecond: (20 * MIB) / 4096, seed: 5 }
    const source = await driver.run({ id: 'sim', module: await loadWorkload('simulation') })
    await source.start()
    const ask = clientOf()
    await ask(source, simulation.configure(options))
    while (simulation.decode(await ask(source, simulation.status())).filled < options.pages);
    const workload = await move(source, driver, 4)
    for (let first = 0; first < options.pages; first += 256) {
      const status = simulation.decode(await ask(workload, simulation.check(first, 256)))
      expect(status.checksum).toBe(simulation.expectedChecksum(options, first, 256, status.written))
    }
    expect((await workload.stats()).memoryBytes).toBeGreaterThan(16 * MIB)
    await workload.close()
  })

  test.each(['userfaultfd', 'compare'] as const)(
    'memory that grows in the middle of its export arrives too (%s)',
    async (dirtyTracking) => {
      const driver = createWasmDriver({ dirtyTracking })
      const source = await driver.run({ id: 'grow', module: await loadWorkload('kv') })
      await source.start()
      const ask = clientOf()
      const target = driver.target()
      await target.prepare(await source.describe())
      const before = (await source.stats()).memoryBytes
      const stop = new AbortController()
      const chunks = []
      let rounds = 0
      for await (const chunk of source.export(controlOf(stop))) {
        chunks.push(kept(chunk))
        if (chunk.kind !== 'round') continue
        for (let i = 0; i < 8; i++) await ask(source, kv.put(`key ${rounds} ${i}`, new Uint8Array(100_000).fill(i + 1)))
        if (++rounds === 3) stop.abort()
      }
      const digest = await target.import(streamOf(chunks))
      expect(chunks.at(-1)).toEqual({ kind: 'final', digest })
      const workload = await target.start(grantFor('grow'))
      await source.release(grantFor('grow', 2))
      expect((await workload.stats()).memoryBytes).toBeGreaterThan(before + 20 * 100_000)
      expect(kv.decodeCount(await ask(workload, kv.count()))).toBe(24)
      expect(kv.decode(await ask(workload, kv.get('key 2 7'))).value).toEqual(new Uint8Array(100_000).fill(8))
      await workload.close()
    },
  )

  test('moved twice and replayed from its recording without moving, it is bit for bit the same', async () => {
    const inputs: SliceInput[] = []
    const record = (_: string, input: SliceInput) => inputs.push(input)
    const nodes = [createWasmDriver({ record }), createWasmDriver({ record }), createWasmDriver({ record })] as const
    const module = await loadWorkload('kv')
    let workload: WasmWorkload = await nodes[0].run({ id: 'kv', module, seed: 3 })
    await workload.start()
    const ask = clientOf()
    for (const node of [nodes[1], nodes[2], undefined]) {
      for (let i = 0; i < 40; i++) await ask(workload, kv.put(`key ${i % 7}`, text(`value ${i}`)))
      if (node !== undefined) workload = await move(workload, node)
    }
    await exportAll(workload, 0)
    const digest = await workload.digest()
    await workload.close()
    expect((await replay(module, inputs)).digest).toBe(digest)
    expect(inputs.map(({ slice }) => slice)).toEqual(inputs.map((_, index) => index))
  })

  test('thirty moves there and back leave no worker and no memory behind', async () => {
    const driver = createWasmDriver()
    let workload: WasmWorkload = await driver.run({ id: 'back-and-forth', module: await loadWorkload('hash-chain') })
    await workload.start()
    const ask = clientOf()
    const resources = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort' || name === 'Worker').length
    const before = resources()
    const verifier = new HashChainVerifier()
    let rssAfterFive = 0
    for (let i = 0; i < 30; i++) {
      workload = await move(workload, driver, 1)
      if (i === 5) rssAfterFive = process.memoryUsage.rss()
    }
    expect(verifier.verify(hashChain.decode(await ask(workload, hashChain.status())))).toBe(true)
    expect(resources()).toBe(before)
    expect(process.memoryUsage.rss() - rssAfterFive).toBeLessThan(64 * MIB)
    await workload.close()
  })
})

describe('an export', () => {
  test('begins with the module, sends every page, tells what is left after each pass and ends with the digest', async () => {
    const workload = await createWasmDriver().run({ id: 'order', module: await loadWorkload('hash-chain') })
    await workload.start()
    const manifest = await workload.describe()
    const { chunks } = await exportAll(workload, 3)
    const kinds = chunks.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1])
    expect(kinds[0]).toBe('opaque')
    expect(kinds.slice(-2)).toEqual(['opaque', 'final'])
    expect(kinds.indexOf('stopped')).toBeGreaterThan(kinds.lastIndexOf('round'))
    const [first] = chunks.filter((chunk) => chunk.kind === 'pages')
    expect(first?.kind === 'pages' && [...first.pages]).toEqual([...Array((manifest.regions[0]?.lengthBytes ?? 0) / 4096).keys()])
    for (const chunk of chunks) {
      if (chunk.kind !== 'pages') continue
      expect(chunk.bytes.length).toBe(chunk.pages.length * 4096)
      expect([...chunk.pages]).toEqual([...chunk.pages].sort((a, b) => a - b))
    }
    await workload.close()
  })

  test('leaves a workload that runs on when it is given up, and one that resumes after the stop', async () => {
    const workload = await createWasmDriver().run({ id: 'undo', module: await loadWorkload('hash-chain') })
    await workload.start()
    const ask = clientOf()
    const verifier = new HashChainVerifier()
    const given = new AbortController()
    const reason = new Error('given up')
    await expect(
      (async () => {
        for await (const chunk of workload.export(controlOf(new AbortController(), given.signal)))
          if (chunk.kind === 'pages') given.abort(reason)
      })(),
    ).rejects.toBe(reason)
    expect((await workload.stats()).dirtyTracking).toBeUndefined()
    const first = hashChain.decode(await ask(workload, hashChain.pace(0)))
    await exportAll(workload)
    const stopped = await workload.stats()
    expect(stopped.running).toBe(false)
    expect((await workload.stats()).slices).toBe(stopped.slices)
    expect(await codeOf(ask(workload, hashChain.status()))).toBe('ERR_WORKLOAD_STOPPED')
    await workload.resume()
    const after = hashChain.decode(await ask(workload, hashChain.status()))
    expect(after.links).toBeGreaterThan(first.links)
    expect(verifier.verify(after)).toBe(true)
    await workload.close()
  })

  test('can be given up after the stop, and when its reader leaves', async () => {
    const workload = await createWasmDriver().run({ id: 'leave', module: await loadWorkload('hash-chain') })
    await workload.start()
    for await (const chunk of workload.export(controlOf(new AbortController()))) if (chunk.kind === 'pages') break
    expect((await workload.stats()).running).toBe(true)
    const stop = new AbortController()
    stop.abort()
    const given = new AbortController()
    await expect(
      (async () => {
        for await (const chunk of workload.export(controlOf(stop, given.signal)))
          if (chunk.kind === 'stopped') given.abort(new Error('late'))
      })(),
    ).rejects.toThrow('late')
    expect((await workload.stats()).running).toBe(false)
    await workload.resume()
    expect((await workload.stats()).running).toBe(true)
    expect(await exportAll(workload)).toMatchObject({ rounds: 1 })
    await workload.close()
  })

  test('is one at a time, and ends when the workload resumes under it', async () => {
    const workload = await createWasmDriver().run({ id: 'one', module: await loadWorkload('hash-chain') })
    await workload.start()
    const stop = new AbortController()
    const first = workload.export(controlOf(stop))[Symbol.asyncIterator]()
    await first.next()
    expect(await codeOf(exportAll(workload))).toBe('ERR_WORKLOAD_STATE')
    stop.abort()
    while ((await first.next()).value?.kind !== 'stopped');
    await workload.resume()
    await expect(first.next()).rejects.toMatchObject({ code: 'ERR_WORKLOAD_STATE' })
    expect((await workload.stats()).running).toBe(true)
    await workload.close()
  })

  test('stops in the middle of a pass: what was not sent comes as the last round', async () => {
    const driver = createWasmDriver()
    const source = await driver.run({ id: 'middle', module: await loadWorkload('simulation') })
    await source.start()
    const ask = clientOf()
    const options = { pages: (8 * MIB) / 4096, changingPages: (8 * MIB) / 4096, pagesPerSecond: 5000, seed: 1 }
    await ask(source, simulation.configure(options))
    while (simulation.decode(await ask(source, simulation.status())).filled < options.pages);
    const stop = new AbortController()
    const chunks = []
    for await (const chunk of source.export(controlOf(stop))) {
      chunks.push(kept(chunk))
      if (chunk.kind === 'pages' && !stop.signal.aborted) stop.abort()
    }
    expect(chunks.some(({ kind }) => kind === 'round')).toBe(false)
    const target = driver.target()
    await target.prepare(await source.describe())
    expect({ kind: 'final', digest: await target.import(streamOf(chunks)) }).toEqual(chunks.at(-1))
    await target.discard()
    await source.close()
  })

  test('the bytes of pages stay what they are until the next chunk is asked for, and their memory is used again', async () => {
    const workload = await createWasmDriver().run({ id: 'lent', module: await loadWorkload('simulation') })
    await workload.start()
    const ask = clientOf()
    const options = { pages: (16 * MIB) / 4096, changingPages: (16 * MIB) / 4096, pagesPerSecond: 5000, seed: 1 }
    await ask(workload, simulation.configure(options))
    while (simulation.decode(await ask(workload, simulation.status())).filled < options.pages);
    const stop = new AbortController()
    const lent: Uint8Array[] = []
    for await (const chunk of workload.export(controlOf(stop))) {
      if (chunk.kind === 'round') stop.abort()
      if (chunk.kind !== 'pages') continue
      const before = chunk.bytes.slice()
      // Answered after every copy that was asked for ahead.
      await workload.stats()
      expect(Buffer.compare(chunk.bytes, before)).toBe(0)
      if (!stop.signal.aborted) lent.push(chunk.bytes)
    }
    expect(lent.length).toBeGreaterThanOrEqual(16)
    // What went to the worker again is no longer here: four buffers at most were made for the pass.
    expect(lent.filter(({ length }) => length > 0).length).toBeLessThanOrEqual(4)
    await workload.close()
  })

  test('pages are taken in before the next chunk is asked for, however many come at once', async () => {
    const driver = createWasmDriver()
    const source = await driver.run({ id: 'poison', module: await loadWorkload('kv') })
    await source.start()
    const ask = clientOf()
    for (let i = 0; i < 40; i++) await ask(source, kv.put(`key ${i}`, new Uint8Array(100_000).fill(i + 1)))
    const { chunks, digest } = await exportAll(source)
    for (const way of [together(chunks), chunks]) {
      const target = driver.target()
      await target.prepare(await source.describe())
      expect(await target.import(lentFrom(way))).toBe(digest)
      const workload = await target.start(grantFor('poison'))
      for (let i = 0; i < 40; i++) {
        const { value } = kv.decode(await workload.request({ client: 'reader', sequence: i + 1, payload: kv.get(`key ${i}`) }))
        expect(Buffer.compare(value, new Uint8Array(100_000).fill(i + 1))).toBe(0)
      }
      await workload.close()
    }
    await source.close()
  })

  test('a stop takes effect within a slice or two, and the throttle takes its share', async () => {
    const workload = await createWasmDriver().run({ id: 'latency', module: await loadWorkload('hash-chain') })
    await workload.start()
    await workload.request({ client: 'a', sequence: 1, payload: hashChain.pace(0) })
    const stop = new AbortController()
    const control = controlOf(stop, undefined, 0.75)
    let rounds = 0
    let askedMs = 0
    let before = { busyMs: 0, atMs: 0 }
    for await (const chunk of workload.export(control)) {
      if (chunk.kind === 'round') {
        rounds++
        if (rounds === 10) before = { busyMs: (await workload.stats()).busyMs, atMs: performance.now() }
        if (before.atMs > 0 && performance.now() - before.atMs > 300) {
          const share = ((await workload.stats()).busyMs - before.busyMs) / (performance.now() - before.atMs)
          expect(share).toBeLessThan(0.4)
          expect(share).toBeGreaterThan(0.05)
          askedMs = performance.now()
          stop.abort()
        }
      }
      // Two milliseconds of slice on a machine that others use too.
      if (chunk.kind === 'stopped') expect(performance.now() - askedMs).toBeLessThan(100)
    }
    await workload.close()
  })
})

describe('requests', () => {
  test('are done once, however often and wherever they are asked', async () => {
    const driver = createWasmDriver()
    const source = await driver.run({ id: 'once', module: await loadWorkload('kv') })
    await source.start()
    const request = { client: 'a', sequence: 1, payload: kv.cas('lock', undefined, text('a')) }
    const [first, second] = await Promise.all([source.request(request), source.request(request)])
    expect([kv.decode(first).status, kv.decode(second).status]).toEqual(['done', 'done'])
    const workload = await move(source, driver)
    expect(kv.decode(await workload.request(request)).status).toBe('done')
    expect(kv.decode(await workload.request({ ...request, sequence: 2 })).status).toBe('differs')
    expect(await codeOf(workload.request(request))).toBe('ERR_WORKLOAD_STALE_REQUEST')
    expect(await codeOf(source.request(request))).toBe('ERR_WORKLOAD_MOVED')
    expect(await source.finished).toEqual({ kind: 'moved' })
    await workload.close()
  })

  test('that wait in the mailbox at the stop travel and are answered on the target', async () => {
    const driver = createWasmDriver()
    const source = await driver.run({ id: 'wait', module: await loadWorkload('kv') })
    // Not started: what is asked now waits.
    const asked = source.request({ client: 'a', sequence: 1, payload: kv.put('x', text('1')) })
    const refused = codeOf(asked)
    const workload = await move(source, driver, 0)
    expect(await refused).toBe('ERR_WORKLOAD_STOPPED')
    expect(kv.decode(await workload.request({ client: 'a', sequence: 1, payload: kv.put('x', text('1')) })).status).toBe('done')
    expect(kv.decode(await workload.request({ client: 'b', sequence: 1, payload: kv.get('x') })).value).toEqual(text('1'))
    await workload.close()
  })

  test('of forty clients through five moves are lost or repeated for none', async () => {
    const driver = createWasmDriver()
    let workload: WasmWorkload = await driver.run({ id: 'many', module: await loadWorkload('kv') })
    await workload.start()
    let over = false
    let retries = 0
    const clients = Array.from({ length: 40 }, async (_, client) => {
      let value: Uint8Array | undefined
      let count = 0
      while (!over || count < 20) {
        const next = text(`${++count}`)
        const request = { client: `c${client}`, sequence: count, payload: kv.cas(`k${client}`, value, next) }
        for (;;) {
          try {
            expect(kv.decode(await workload.request(request)).status).toBe('done')
            break
          } catch (error) {
            if (!isDwcpError(error) || !error.retryable) throw error
            retries++
            await new Promise(setImmediate)
          }
        }
        value = next
      }
    })
    for (let i = 0; i < 5; i++) workload = await move(workload, driver, 2)
    over = true
    await Promise.all(clients)
    expect(retries).toBeGreaterThan(0)
    await workload.close()
  })

  test('have bounds, can be given up, and are checked', async () => {
    const workload = await createWasmDriver({ maxRequestBytes: 100 }).run({ id: 'bounds', module: await loadWorkload('kv') })
    expect(await codeOf(workload.request({ client: 'a', sequence: 1, payload: new Uint8Array(101) }))).toBe('ERR_WORKLOAD_LIMIT')
    const giveUp = new AbortController()
    const asked = workload.request({ client: 'a', sequence: 1, payload: kv.count() }, { signal: giveUp.signal })
    giveUp.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await expect(workload.request({ client: '', sequence: 1, payload: kv.count() })).rejects.toThrow(RangeError)
    await expect(workload.request({ client: 'a', sequence: -1, payload: kv.count() })).rejects.toThrow(RangeError)
    await workload.start()
    expect(kv.decodeCount(await workload.request({ client: 'a', sequence: 1, payload: kv.count() }))).toBe(0)
    await workload.close()
    expect(await codeOf(workload.stats())).toBe('ERR_WORKLOAD_STATE')
  })
})

describe('the end', () => {
  test('a program that finishes says so, and keeps the answers it gave', async () => {
    const workload = await createWasmDriver().run({ id: 'end', module: assemble({ step: [...i32Const(2), END] }) })
    await workload.start()
    expect(await workload.finished).toEqual({ kind: 'finished' })
    expect(await codeOf(workload.request({ client: 'a', sequence: 1, payload: new Uint8Array(0) }))).toBe('ERR_WORKLOAD_FINISHED')
    expect(await workload.stats()).toMatchObject({ finished: true, running: false, slices: 1 })
    const moved = await move(workload, createWasmDriver())
    expect(await moved.stats()).toMatchObject({ finished: true, slices: 1 })
    await moved.close()
  })

  test('a trap is an error on everything that waits, and not the end of the process', async () => {
    const receive = importedFunction('dwcp', 'receive', 3)
    // Traps as soon as a request is there.
    const step = [...i32Const(0), ...i32Const(9), 0x10, 0, ...i32Const(-1), 0x47, 0x04, 0x40, 0x00, END, ...i32Const(0), END]
    const workload = await createWasmDriver().run({ id: 'trap', module: assemble({ imports: [receive], step }) })
    await workload.start()
    expect(await codeOf(workload.request({ client: 'a', sequence: 1, payload: new Uint8Array(1) }))).toBe('ERR_WORKLOAD_TRAPPED')
    expect(await workload.finished).toMatchObject({ kind: 'failed', error: { code: 'ERR_WORKLOAD_TRAPPED' } })
    expect(await codeOf(exportAll(workload))).toBe('ERR_WORKLOAD_TRAPPED')
    await workload.close()
  })

  test('a program that never ends its slice cannot be moved, and can be closed', async () => {
    let onLog = (): void => undefined
    const spinning = new Promise<void>((resolve) => {
      onLog = resolve
    })
    const nothing = () => undefined
    const logger = { debug: nothing, warn: nothing, error: nothing, info: () => onLog() }
    const workload = await createWasmDriver({ stopTimeoutMs: 50, logger }).run({ id: 'spin', module: SPIN })
    const stop = new AbortController()
    stop.abort()
    const chunks = workload.export(controlOf(stop))[Symbol.asyncIterator]()
    await chunks.next()
    await workload.start()
    await spinning
    expect(await codeOf(chunks.next())).toBe('ERR_WORKLOAD_UNRESPONSIVE')
    await workload.close()
    expect(await workload.finished).toEqual({ kind: 'closed' })
  })

  test('a worker that cannot be had is an error, and leaves nothing behind', async () => {
    const driver = createWasmDriver({ workerFile: '/nonexistent/worker.js' })
    expect(await codeOf(driver.run({ id: 'none', module: SPIN }))).toBe('ERR_WORKLOAD_CRASHED')
  })
})

describe('a driver', () => {
  test('refuses a module whose state it could not carry, and options that make no sense', async () => {
    const driver = createWasmDriver({ maxModuleBytes: 1000, maxMemoryBytes: 4 * MIB })
    expect(await codeOf(driver.run({ id: 'a', module: new Uint8Array(1001) }))).toBe('ERR_MIGRATION_UNSUPPORTED')
    expect(await codeOf(driver.run({ id: 'a', module: assemble({ memories: [[0, 65]] }) }))).toBe('ERR_MIGRATION_UNSUPPORTED')
    expect(await codeOf(driver.run({ id: 'a', module: assemble({ step: [END] }) }))).toBe('ERR_MIGRATION_UNSUPPORTED')
    await expect(driver.run({ id: 'a', module: SPIN, seed: 0.5 })).rejects.toThrow(RangeError)
    expect(() => createWasmDriver({ sliceMs: 0 })).toThrow(RangeError)
  })

  test('passes on what a program logs', async () => {
    const log = importedFunction('dwcp', 'log', 4)
    const module = assemble({
      types: [[0x60, 2, 0x7f, 0x7f, 0]],
      imports: [log],
      data: [[0, ...i32Const(0), END, 5, ...text('hello')]],
      step: [...i32Const(0), ...i32Const(5), 0x10, 0, ...i32Const(2), END],
    })
    const lines: string[] = []
    const nothing = () => undefined
    const logger = { debug: nothing, warn: nothing, error: nothing, info: (_: unknown, message: string) => lines.push(message) }
    const workload = await createWasmDriver({ logger }).run({ id: 'log', module })
    await workload.start()
    await workload.finished
    expect(lines).toEqual(['hello'])
    await workload.close()
  })
})
