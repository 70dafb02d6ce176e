import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type DwcpNode, loadWorkload, startNode } from '@dwcp/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ControlCaller, createCaller } from '../src/control/call.ts'
import { runClientProcess } from '../src/demo/client-process.ts'
import type { Conversation, Proof } from '../src/demo/demo-options.ts'
import { planWorkloads } from '../src/demo/workload-plan.ts'

let home: string
let node: DwcpNode
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-client-'))
  node = await startNode({ id: 'only', dataDirectory: home, plaintext: true })
})
afterAll(async () => {
  await node.close()
  await rm(home, { recursive: true, force: true })
})

/** The demo's client in this process, as the demo talks to it. */
function openClient(): { readonly caller: ControlCaller; readonly ended: Promise<void> } {
  const [orders, answers] = [new PassThrough(), new PassThrough()]
  const ended = runClientProcess({ input: orders, output: answers })
  return { caller: createCaller({ input: answers, output: orders }, 'the client'), ended }
}

test('talks to every workload, counts, and proves all of their state', async () => {
  const { caller, ended } = openClient()
  const nodes = [`${node.address.host}:${node.address.port}`]
  const plan = planWorkloads({ bytes: 4 * 2 ** 20, dirtyBytesPerSecond: 2 ** 20 })
  const filled: unknown[] = []
  for (const { id, program, order } of plan) {
    await node.run(await loadWorkload(program), { id, seed: 1 })
    await caller.call(
      'begin',
      { nodes, plaintext: true, order: { ...order, ledgerBytes: 64 * 1024 } },
      { onEvent: (event) => filled.push(event) },
    )
  }
  expect(filled).toContainEqual({ done: 64 * 1024, of: 64 * 1024 })

  const watching = new AbortController()
  let heard = 0
  const watched = caller.call(
    'watch',
    {},
    {
      signal: watching.signal,
      onEvent({ answered }) {
        heard = Number(answered)
        watching.abort()
      },
    },
  )
  for (const { id } of plan) {
    await caller.call('settle', { workload: id, answers: 20, maxMs: 10_000 })
    const talk = (await caller.call('turn', { workload: id })) as Conversation
    expect(talk).toMatchObject({ lost: 0, repeated: 0, wrong: 0 })
    expect(talk.answered).toBeGreaterThanOrEqual(20)
    const proof = (await caller.call('verify', { workload: id })) as Proof
    expect(proof.verified, proof.text).toBe(true)
  }
  await watched
  expect(heard).toBeGreaterThan(0)
  await expect(caller.call('turn', { workload: 'nobody' })).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL' })
  await expect(caller.call('begin', { nodes: 7 })).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL' })

  const whole = (await caller.call('end')) as Conversation
  expect(whole.answered).toBeGreaterThanOrEqual(60)
  expect(whole.latencyMs.p50).toBeGreaterThan(0)
  caller.close()
  await ended
})

test('a plan refuses amounts out of range and has what was asked for, the main workload first', () => {
  expect(planWorkloads({}).map(({ program }) => program)).toEqual(['simulation', 'hash-chain', 'kv'])
  expect(planWorkloads({ workload: 'kv' })).toMatchObject([{ program: 'kv', order: { ledgerBytes: 8 * 2 ** 20 } }])
  expect(planWorkloads({ dirtyBytesPerSecond: 0 })[0]?.order.memory).toMatchObject({ pages: 16_384, changingPages: 0, pagesPerSecond: 0 })
  expect(() => planWorkloads({ bytes: 4095 })).toThrow(RangeError)
})
