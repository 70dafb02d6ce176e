import { loadHash } from '@dwcp/native-rdma/hash'
import { expect, test } from 'vitest'
import { assemble, F64, i32Const, importedFunction } from '../../test/assembler.ts'
import { checkModule } from './module-check.js'
import { Program } from './program.js'
import type { SliceInput } from './slice-input.js'
import { SliceLoop } from './slice-loop.js'

const END = 0x0b
const hash = await loadHash()
const LIMITS = { maxClients: 4, maxRequestBytes: 64, maxReplyBytes: 64, maxMailboxBytes: 1024 }
const MORE = assemble({ step: [...i32Const(1), END] })
const IDLE = assemble()
const TRAP = assemble({ step: [0x00, END] })
const FINISH = assemble({ step: [...i32Const(2), END] })

function wakes(atMs: number): Uint8Array {
  const bits = [...new Uint8Array(Float64Array.of(atMs).buffer)]
  return assemble({
    types: [[0x60, 1, F64, 0]],
    imports: [importedFunction('dwcp', 'wake', 4)],
    step: [0x44, ...bits, 0x10, 0, ...i32Const(0), END],
  })
}

interface Watched {
  readonly loop: SliceLoop
  readonly program: Program
  readonly inputs: readonly SliceInput[]
  /** Resolves when `count` slices have run, it finished or it trapped. */
  until(count: number): Promise<unknown>
}

function watch(module: Uint8Array, options: { readonly tickMs?: number; readonly sinceMs?: number } = {}): Watched {
  const program = new Program(checkModule(module, 1 << 20), {
    hash,
    limits: LIMITS,
    seed: 1,
    restoring: false,
    events: { onAnswer: () => undefined, onLog: () => undefined },
  })
  const inputs: SliceInput[] = []
  let wanted = Number.POSITIVE_INFINITY
  let reached: (outcome: unknown) => void = () => undefined
  const loop = new SliceLoop(program, {
    sliceMs: 2,
    tickMs: options.tickMs ?? 10,
    budget: 1,
    sinceMs: options.sinceMs ?? 0,
    onSlice(input) {
      inputs.push(input)
      if (inputs.length >= wanted) reached(inputs.length)
    },
    onFinished: () => reached('finished'),
    onTrapped: (error) => reached(error),
  })
  const until = (count: number): Promise<unknown> =>
    new Promise((resolve) => {
      reached = resolve
      wanted = count
      if (inputs.length >= count) resolve(inputs.length)
    })
  return { loop, program, inputs, until }
}

test('a program that does little with its budget gets more, as long as a slice is short', async () => {
  const { loop, inputs, until } = watch(MORE)
  loop.start()
  await until(30)
  loop.stop()
  expect(inputs[0]?.budget).toBe(1)
  expect(loop.budget).toBeGreaterThan(1_000_000)
  expect(loop.budget).toBeLessThan(2 ** 31)
  expect(loop.busyMs).toBeGreaterThan(0)
})

test('the clock of a program never goes back, and stands still while it is stopped', async () => {
  const { loop, inputs, until } = watch(MORE, { sinceMs: 500 })
  loop.start()
  await until(20)
  loop.stop()
  const stoppedMs = loop.nowMs
  expect(inputs[0]?.nowMs).toBeGreaterThanOrEqual(500)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(loop.nowMs).toBe(stoppedMs)
  const count = inputs.length
  loop.start()
  loop.start()
  await until(count + 1)
  loop.stop()
  expect((inputs[count]?.nowMs ?? 0) - stoppedMs).toBeLessThan(25)
  expect(inputs.every(({ nowMs }, i) => i === 0 || nowMs >= (inputs[i - 1]?.nowMs ?? 0))).toBe(true)
})

test('an idle program runs at each tick, or when it wanted to, and not before', async () => {
  const ticking = watch(IDLE, { tickMs: 15 })
  ticking.loop.start()
  await ticking.until(3)
  ticking.loop.stop()
  expect((ticking.inputs[2]?.nowMs ?? 0) - (ticking.inputs[1]?.nowMs ?? 0)).toBeGreaterThan(13)
  const waking = watch(wakes(40))
  waking.loop.start()
  await waking.until(2)
  waking.loop.stop()
  expect(waking.inputs[1]?.nowMs).toBeGreaterThanOrEqual(38)
})

test('an idle program that waits for ever runs when a request comes', async () => {
  const { loop, inputs, program, until } = watch(wakes(Number.POSITIVE_INFINITY))
  loop.start()
  await until(1)
  program.mailbox.accept({ client: 'a', sequence: 1, payload: new Uint8Array(1) })
  loop.poke()
  await until(2)
  loop.stop()
  expect(inputs[1]?.requests).toHaveLength(1)
})

test('a throttled program runs for its share, and at once when the throttle is taken off', async () => {
  const { loop, inputs, until } = watch(MORE)
  loop.start()
  await until(30)
  loop.throttle(2)
  const before = inputs.length
  loop.poke()
  await until(before + 3)
  loop.throttle(0)
  await until(before + 40)
  loop.stop()
  expect(inputs.length).toBeGreaterThanOrEqual(before + 40)
})

test('a program that finishes or traps runs no more, whatever comes', async () => {
  const finished = watch(FINISH)
  finished.loop.start()
  expect(await finished.until(9)).toBe('finished')
  finished.loop.start()
  expect(finished.loop.running).toBe(false)
  const trapped = watch(TRAP)
  trapped.loop.start()
  expect(await trapped.until(9)).toMatchObject({ code: 'ERR_WORKLOAD_TRAPPED' })
  trapped.loop.start()
  expect(trapped.loop.running).toBe(false)
})
