import { closeSync, openSync, readSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { say, seeded } from '../test/implementations.ts'
import { type DirtyTracker, trackDirtyPages } from './index.ts'

const WASM_PAGE = 65_536
const opened: DirtyTracker[] = []

function track(memory: () => ArrayBuffer, backend?: DirtyTracker['backend']): DirtyTracker {
  const tracker = trackDirtyPages(memory, backend && { backend })
  opened.push(tracker)
  return tracker
}

afterEach(() => {
  for (const tracker of opened.splice(0)) tracker.close()
  vi.restoreAllMocks()
})

const probe = trackDirtyPages(() => new WebAssembly.Memory({ initial: 1 }).buffer)
probe.close()
if (probe.backend === 'compare') say(`TESTED WITHOUT USERFAULTFD: ${probe.reason}`)
const backends = probe.backend === 'userfaultfd' ? (['userfaultfd', 'compare'] as const) : (['compare'] as const)

describe.each(backends)('dirty pages by %s', (backend) => {
  test('are exactly the pages written, among populated and untouched ones, also while the memory grows', () => {
    const next = seeded(backend.length)
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 4096 })
    new Uint8Array(memory.buffer).fill(1, 0, 20 * WASM_PAGE)
    const tracker = track(() => memory.buffer, backend)
    expect(tracker.collect()).toHaveLength(0)
    let sum = 0
    for (let round = 0; round < 40; round += 1) {
      const grows = round % 5 === 4
      if (grows) memory.grow((next() % 40) + 1)
      const bytes = new Uint8Array(memory.buffer)
      const expected = new Set<number>()
      for (let left = next() % 300; left > 0; left -= 1) {
        const at = next() % bytes.length
        bytes[at] = ((bytes[at] ?? 0) | 128) ^ (1 + round)
        expected.add(at >> 12)
        // Reading an untouched page maps it, which is no write.
        sum += bytes[next() % bytes.length] ?? 0
      }
      expect([...tracker.collect()]).toEqual([...expected].sort((a, b) => a - b))
      expect(tracker.collect()).toHaveLength(0)
    }
    expect(sum).toBeGreaterThan(0)
    expect(tracker.backend).toBe(backend)
  })

  test('include what the kernel writes, as in reading a file into the memory', () => {
    const memory = new WebAssembly.Memory({ initial: 4 })
    const tracker = track(() => memory.buffer, backend)
    const file = openSync('/dev/urandom', 'r')
    readSync(file, new Uint8Array(memory.buffer), 8000, 1000, null)
    closeSync(file)
    expect([...tracker.collect()]).toEqual([1, 2])
  })

  test('of a grown part written with zeros only are none', () => {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const tracker = track(() => memory.buffer, backend)
    memory.grow(2)
    new Uint8Array(memory.buffer).fill(0, WASM_PAGE)
    expect(tracker.collect()).toHaveLength(0)
    new Uint8Array(memory.buffer)[2 * WASM_PAGE] = 1
    expect([...tracker.collect()]).toEqual([32])
  })

  test('are all pages, with a warning, when the memory is another one', () => {
    const warning = vi.spyOn(process, 'emitWarning').mockReturnValue()
    let memory = new WebAssembly.Memory({ initial: 2 })
    const tracker = track(() => memory.buffer, backend)
    memory = new WebAssembly.Memory({ initial: 1 })
    new Uint8Array(memory.buffer)[5000] = 1
    const pages = [...tracker.collect()]
    expect(pages).toEqual(backend === 'compare' ? [1] : Array.from({ length: 16 }, (_, page) => page))
    expect(warning).toHaveBeenCalledTimes(backend === 'compare' ? 0 : 1)
    expect(tracker.reason).toMatch(backend === 'compare' ? 'asked for' : 'has moved')
    new Uint8Array(memory.buffer)[9000] = 1
    expect([...tracker.collect()]).toEqual([2])
  })

  test('are refused after close, which is idempotent and leaves the memory usable', () => {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const tracker = track(() => memory.buffer, backend)
    tracker.close()
    tracker.close()
    new Uint8Array(memory.buffer)[0] = 1
    expect(() => tracker.collect()).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_CLOSED' }))
    expect([...track(() => memory.buffer, backend).collect()]).toEqual([])
  })
})

test('a second tracker of one memory compares, or is refused when userfaultfd was asked for', () => {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const first = track(() => memory.buffer)
  const second = track(() => memory.buffer)
  new Uint8Array(memory.buffer)[1] = 1
  expect([[...first.collect()], [...second.collect()]]).toEqual([[0], [0]])
  expect(second.backend).toBe('compare')
  expect(second.reason).toMatch(first.backend === 'userfaultfd' ? 'UFFDIO_REGISTER' : /./)
  expect(() => track(() => memory.buffer, 'userfaultfd')).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }))
})

test('a buffer that is no multiple of pages is compared, its short last page included', () => {
  const buffer = new ArrayBuffer(10_000)
  const tracker = track(() => buffer)
  new Uint8Array(buffer)[9_999] = 1
  expect(tracker.backend).toBe('compare')
  expect([...tracker.collect()]).toEqual([2])
})

test('another page size is refused', () => {
  // @ts-expect-error the kernel knows 4096 only
  expect(() => trackDirtyPages(() => new ArrayBuffer(8192), { pageBytes: 8192 })).toThrow(RangeError)
})
