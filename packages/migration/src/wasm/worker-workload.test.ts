import { loadHash } from '@dwcp/native-rdma/hash'
import { expect, test } from 'vitest'
import { decodeHostState } from './host-state.js'
import { loadWorkload } from './package-files.js'
import { kv } from './programs/kv.js'
import { wasmLimits } from './wasm-options.js'
import { LATER, type WorkerSetup } from './worker-protocol.js'
import { WorkerWorkload } from './worker-workload.js'

const hash = await loadHash()
const module = new Uint8Array(await loadWorkload('kv'))
const setup: WorkerSetup = {
  module,
  limits: wasmLimits({}),
  seed: 1,
  restoring: false,
  memoryBytes: 0,
  recording: true,
  dirtyTracking: undefined,
}

function make(): { readonly worker: WorkerWorkload; readonly answered: Promise<readonly [number, Uint8Array]>; readonly slices: number[] } {
  let answer: (value: readonly [number, Uint8Array]) => void = () => undefined
  const answered = new Promise<readonly [number, Uint8Array]>((resolve) => {
    answer = resolve
  })
  const slices: number[] = []
  const nothing = (): void => undefined
  const worker = new WorkerWorkload(hash, {
    answered: (id, payload) => answer([id, payload]),
    recorded: ({ slice }) => slices.push(slice),
    logged: nothing,
    finished: nothing,
    trapped: nothing,
  })
  return { worker, answered, slices }
}

const plain = <Value>(value: Value | typeof LATER): Value => {
  if (value === LATER) throw new Error('an answer that will come later')
  return value
}

test('commands between slices carry a program over, page by page', async () => {
  const { worker, answered, slices } = make()
  const source = worker.handlers
  source.load(setup, 1)
  const { pages } = plain(source.track(undefined, 2))
  expect(source.request({ client: 'a', sequence: 1, payload: kv.put('x', Uint8Array.of(5)) }, 3)).toBe(LATER)
  expect(source.request({ client: 'a', sequence: 1, payload: kv.put('x', Uint8Array.of(5)) }, 4)).toBe(LATER)
  source.run(undefined, 5)
  const [id, reply] = await answered
  expect([id, kv.decode(reply).status]).toEqual([3, 'done'])
  source.throttle(0.5, 6)
  const dirty = plain(source.stop(undefined, 7))
  expect(dirty.length).toBeGreaterThan(0)
  expect(dirty.length).toBeLessThan(pages)
  expect(plain(source.collect(undefined, 8))).toHaveLength(0)
  expect(slices.length).toBeGreaterThan(0)
  const all = Uint32Array.from({ length: plain(source.stats(undefined, 9)).memoryBytes / 4096 }, (_, page) => page)
  const bytes = plain(source.copy({ pages: all, into: new ArrayBuffer(all.length * 4096 + 1) }, 10))
  const state = decodeHostState(plain(source.state(undefined, 11)), setup.limits)
  source.untrack(undefined, 12)

  const target = make().worker.handlers
  target.load({ ...setup, module: new Uint8Array(module), restoring: true, memoryBytes: all.length * 4096 }, 1)
  expect(plain(target.stats(undefined, 2)).memoryBytes).toBe(all.length * 4096)
  expect(target.write({ pages: all, bytes }, 2)).toBe(bytes)
  target.restore(state, 3)
  expect(target.digest(undefined, 4)).toBe(source.digest(undefined, 13))
  expect(plain(target.request({ client: 'a', sequence: 1, payload: kv.put('x', Uint8Array.of(5)) }, 5))).toEqual(reply)
  expect(plain(target.stats(undefined, 6))).toMatchObject({ running: false, finished: false, slices: state.slices })
  expect(() => target.restore({ ...state, memoryPages: 0 }, 7)).toThrow(/beyond the memory/)
})

test('a command before there is a program is refused', () => {
  const { handlers } = make().worker
  expect(() => handlers.run(undefined, 1)).toThrow(expect.objectContaining({ code: 'ERR_WORKLOAD_STATE' }))
  expect(() => handlers.collect(undefined, 1)).toThrow(expect.objectContaining({ code: 'ERR_WORKLOAD_STATE' }))
})
