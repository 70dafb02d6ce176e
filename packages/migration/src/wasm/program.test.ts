import { loadHash } from '@dwcp/native-rdma/hash'
import { describe, expect, test } from 'vitest'
import { assemble, exported, F64, I32, i32Const, importedFunction } from '../../test/assembler.ts'
import { decodeHostState, encodeHostState } from './host-state.js'
import type { Answer, WorkloadRequest } from './mailbox.js'
import { checkModule } from './module-check.js'
import { type BundledWorkload, loadWorkload } from './package-files.js'
import { Program } from './program.js'
import { HashChainVerifier, hashChain } from './programs/hash-chain.js'
import { kv } from './programs/kv.js'
import { type SimulationOptions, simulation } from './programs/simulation.js'
import { replay } from './replay.js'
import { SeededRandom } from './seeded-random.js'
import type { SliceInput } from './slice-input.js'
import { stateDigest } from './state-digest.js'

const LIMITS = { maxClients: 64, maxRequestBytes: 1 << 16, maxReplyBytes: 1 << 16, maxMailboxBytes: 1 << 22 }
const MIB = 1 << 20
const END = 0x0b
const hash = await loadHash()

function load(module: Uint8Array, options: { readonly restoring?: boolean; readonly answers?: Answer[] } = {}): Program {
  const events = { onAnswer: (answer: Answer) => options.answers?.push(answer), onLog: () => undefined }
  return new Program(checkModule(module, 64 * MIB), { hash, limits: LIMITS, events, seed: 11, restoring: options.restoring ?? false })
}

/** What a migration does, without threads: memory and host state, nothing else. */
function reborn(module: Uint8Array, program: Program, answers: Answer[]): Program {
  const state = decodeHostState(encodeHostState(program.state(0, 1)), LIMITS)
  const next = load(module, { restoring: true, answers })
  next.growTo(state.memoryPages)
  new Uint8Array(next.memory.buffer).set(new Uint8Array(program.memory.buffer))
  next.restore(state)
  return next
}

interface Slice {
  readonly nowMs: number
  readonly budget: number
  readonly requests: readonly WorkloadRequest[]
}

/** Requests for each program, enough of them to make garbage and growth. */
function requestOf(name: BundledWorkload, n: number, random: SeededRandom): Uint8Array {
  if (name === 'hash-chain') return n === 0 ? hashChain.pace(1e9) : hashChain.status()
  if (name === 'simulation') {
    if (n === 0) return simulation.configure({ pages: 200, changingPages: 60, pagesPerSecond: 50_000, seed: 3, randomWords: 9 })
    return simulation.check(n % 40, 20)
  }
  const key = `key ${random.uint32() % 50}`
  const value = new Uint8Array(random.uint32() % 3000).fill(n)
  return [kv.put(key, value), kv.get(key), kv.cas(key, undefined, value), kv.count(), kv.delete(key)][random.uint32() % 5] ?? kv.count()
}

function script(name: BundledWorkload): readonly Slice[] {
  const random = SeededRandom.seeded(5)
  return Array.from({ length: 300 }, (_slice, n) => ({
    nowMs: n * 1.25,
    budget: 1 + (random.uint32() % 500),
    requests: Array.from({ length: random.uint32() % 4 }, (_, i) => ({
      client: `c${i}`,
      sequence: n,
      payload: requestOf(name, n + i, random),
    })),
  }))
}

describe.each<BundledWorkload>(['hash-chain', 'kv', 'simulation'])('%s', (name) => {
  test('moved after every third slice, it is bit for bit what it is without moving, and what its recording leads to', async () => {
    const module = await loadWorkload(name)
    const answers: Answer[] = []
    const answersMoved: Answer[] = []
    const still = load(module, { answers })
    let moving = load(module, { answers: answersMoved })
    const inputs: SliceInput[] = []
    for (const [n, { nowMs, budget, requests }] of script(name).entries()) {
      for (const request of requests) still.mailbox.accept(request)
      for (const request of requests) moving.mailbox.accept(request)
      inputs.push(still.slice(nowMs, budget))
      moving.slice(nowMs, budget)
      if (n % 3 === 0) moving = reborn(module, moving, answersMoved)
    }
    expect(answers.length).toBeGreaterThan(300)
    expect(answersMoved).toEqual(answers)
    expect(stateDigest(moving, hash)).toBe(stateDigest(still, hash))
    const replayed = await replay(module, inputs, { maxMemoryBytes: 64 * MIB, ...LIMITS })
    expect(replayed).toEqual({ digest: stateDigest(still, hash), slices: 300, answers })
  })
})

test('the digest tells two programs apart that differ in one byte, one global or one request', async () => {
  const module = await loadWorkload('hash-chain')
  const digests = [0, 1, 2, 3].map((variant) => {
    const program = load(module)
    if (variant === 3) program.mailbox.accept({ client: 'a', sequence: 1, payload: hashChain.status() })
    program.slice(0, 10)
    program.slice(variant === 2 ? 2 : 1, 10)
    if (variant === 1) new Uint8Array(program.memory.buffer).fill(1, 70_000, 70_001)
    return stateDigest(program, hash)
  })
  expect(new Set(digests).size).toBe(4)
})

test('a chain that lost one word of its table is found out', async () => {
  const module = await loadWorkload('hash-chain')
  const answers: Answer[] = []
  const program = load(module, { answers })
  program.mailbox.accept({ client: 'a', sequence: 1, payload: hashChain.pace(0) })
  program.slice(0, 300_000)
  const word = new Uint32Array(program.memory.buffer, 1024 + 4 * 100, 1)
  word[0] = (word[0] ?? 0) ^ 1
  program.slice(1, 300_000)
  program.mailbox.accept({ client: 'a', sequence: 2, payload: hashChain.status() })
  program.slice(2, 1)
  expect(new HashChainVerifier().verify(hashChain.decode(answers.at(-1)?.payload ?? new Uint8Array(0)))).toBe(false)
})

test('every page of the simulation is what its verifier computes', async () => {
  const options: SimulationOptions = { pages: 700, changingPages: 300, pagesPerSecond: 100_000, seed: 99, randomWords: 12 }
  const answers: Answer[] = []
  const program = load(await loadWorkload('simulation'), { answers })
  let sequence = 0
  const ask = (payload: Uint8Array) => {
    program.mailbox.accept({ client: 'a', sequence: ++sequence, payload })
    program.slice(sequence * 5, 1000)
    return simulation.decode(answers.at(-1)?.payload ?? new Uint8Array(0))
  }
  ask(simulation.configure(options))
  const ranges = [
    [0, 256],
    [256, 256],
    [512, 188],
    [299, 2],
  ] as const
  for (const [from, count] of ranges) {
    const status = ask(simulation.check(from, count))
    expect(status.filled).toBe(700)
    expect(status.checksum).toBe(simulation.expectedChecksum(options, from, count, status.written))
  }
  const status = ask(simulation.status())
  expect(status.written).toBeGreaterThan(300)
  // One write more, and the changing pages differ.
  const { checksum, written } = ask(simulation.check(0, 256))
  expect(simulation.expectedChecksum(options, 0, 256, written)).toBe(checksum)
  expect(simulation.expectedChecksum(options, 0, 256, written + 300)).not.toBe(checksum)
})

test('a trap is a typed error that names the slice', () => {
  const program = load(assemble({ step: [0x00, END] }))
  expect(() => program.slice(0, 1)).toThrow(expect.objectContaining({ code: 'ERR_WORKLOAD_TRAPPED' }))
  const negative = load(assemble({ step: [...i32Const(-5), END] }))
  expect(() => negative.slice(0, 1)).toThrow(/step returned -5 in slice 0/)
})

test('a start function and init run with the first slice, and never again', () => {
  // start: global += 1; init: global += 16; step: return 0
  const add = (value: number) => [0x23, 0, ...i32Const(value), 0x6a, 0x24, 0, END]
  const module = assemble({
    globals: [[I32, 1, ...i32Const(0), END]],
    functions: [
      [1, add(1)],
      [1, add(16)],
    ],
    start: 1,
    exports: [exported('step', 0, 0), exported('init', 0, 2)],
  })
  const program = load(module)
  expect(program.state(0, 1)).toMatchObject({ begun: false, globals: [0] })
  program.slice(0, 1)
  expect(program.state(0, 1)).toMatchObject({ begun: true, globals: [17] })
  const next = reborn(module, program, [])
  next.slice(1, 1)
  expect(next.state(0, 1).globals).toEqual([17])
})

test('chance goes on where it was', () => {
  const module = assemble({
    imports: [importedFunction('dwcp', 'random', 2)],
    globals: [[F64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, END]],
    step: [0x10, 0, 0x24, 0, ...i32Const(0), END],
  })
  const still = load(module)
  let moving = load(module)
  for (let n = 0; n < 5; n++) {
    still.slice(n, 1)
    moving.slice(n, 1)
    moving = reborn(module, moving, [])
  }
  expect(moving.state(0, 1)).toEqual(still.state(0, 1))
})

test('a state that does not fit the module is refused', async () => {
  const module = assemble({ globals: [[I32, 1, ...i32Const(0), END]] })
  const program = load(module, { restoring: true })
  const state = load(module).state(0, 1)
  expect(() => program.restore({ ...state, globals: [] })).toThrow(/0 globals arrived, the module has 1/)
  expect(() => program.restore({ ...state, globals: [1n] })).toThrow(/wrong width/)
  await expect(replay(module, [])).rejects.toThrow(/empty/)
  await expect(
    replay(module, [
      { slice: 0, nowMs: 0, budget: 1, requests: [] },
      { slice: 2, nowMs: 0, budget: 1, requests: [] },
    ]),
  ).rejects.toThrow(/from slice 0 to 2/)
})

test('a reply past the bound or outside the memory traps, a request that does not fit stays', () => {
  const reply = (pointer: number, length: number) =>
    assemble({
      types: [[0x60, 2, I32, I32, 0]],
      imports: [importedFunction('dwcp', 'reply', 4), importedFunction('dwcp', 'receive', 3)],
      globals: [[I32, 1, ...i32Const(0), END]],
      step: [...i32Const(0), ...i32Const(2), 0x10, 1, 0x24, 0, ...i32Const(pointer), ...i32Const(length), 0x10, 0, ...i32Const(0), END],
    })
  const small = load(reply(0, 0))
  small.mailbox.accept({ client: 'a', sequence: 1, payload: Uint8Array.of(1, 2, 3) })
  small.slice(0, 1)
  expect(small.state(0, 1).globals).toEqual([-4])
  expect(small.mailbox.peek()).toBe(3)
  expect(() => load(reply(65_530, 7)).slice(0, 1)).toThrow(expect.objectContaining({ code: 'ERR_WORKLOAD_TRAPPED' }))
  expect(() => load(reply(0, (1 << 16) + 1)).slice(0, 1)).toThrow(/65536 are allowed/)
})
