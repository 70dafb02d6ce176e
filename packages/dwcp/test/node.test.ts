import { randomFillSync } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDwcpError } from '@dwcp/interface'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  connectClient,
  type DwcpNode,
  formatAddress,
  HashChainVerifier,
  hashChain,
  kv,
  loadWorkload,
  type NodeChange,
  type NodeOptions,
  startNode,
  type WorkloadClient,
} from '../src/index.ts'

let root: string
const open: AsyncDisposable[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dwcp-core-'))
})
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

async function node(id: string, options: Partial<NodeOptions> = {}): Promise<DwcpNode> {
  const started = await startNode({ id, dataDirectory: join(root, id), plaintext: true, ...options })
  open.push(started)
  return started
}
async function client(...nodes: readonly DwcpNode[]): Promise<WorkloadClient> {
  const connected = await connectClient({ nodes: nodes.map((each) => formatAddress(each.address)), plaintext: true })
  open.push(connected)
  return connected
}
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return isDwcpError(error) ? error.code : `not ours: ${String(error)}`
  }
  return 'none: it resolved'
}
describe('a node', () => {
  test('runs a program and answers its clients', async () => {
    const a = await node('a')
    expect(await a.run(await loadWorkload('kv'), { id: 'store' })).toEqual({ id: 'store', state: 'running', epoch: 1, owner: 'a' })
    const user = await client(a)
    const put = await user.request('store', kv.put('k', Uint8Array.of(1)))
    expect(put.node).toBe('a')
    expect(kv.decode((await user.request('store', kv.get('k'))).payload)).toEqual({ status: 'done', value: Uint8Array.of(1) })
  })

  test('moves a program to another node and back while a client keeps asking, and the chain holds', async () => {
    const [a, b] = [await node('a'), await node('b')]
    await a.run(await loadWorkload('hash-chain'), { id: 'chain' })
    const user = await client(a, b)
    const verifier = new HashChainVerifier()
    let stop = false
    let answers = 0
    const asking = (async () => {
      await user.request('chain', hashChain.pace(20_000))
      while (!stop) {
        const { payload } = await user.request('chain', hashChain.status())
        expect(verifier.verify(hashChain.decode(payload))).toBe(true)
        answers++
      }
    })()
    const there = await a.migrate('chain', b.address)
    expect(there).toMatchObject({ from: 'a', to: 'b', epoch: 2 })
    const back = await b.migrate('chain', 'a')
    expect(back).toMatchObject({ from: 'b', to: 'a', epoch: 3 })
    stop = true
    await asking
    expect(answers).toBeGreaterThan(0)
    expect(b.workloads()).toEqual([{ id: 'chain', state: 'moved', epoch: 3, owner: 'a', address: a.address }])
    expect(a.workloads()).toEqual([{ id: 'chain', state: 'running', epoch: 3, owner: 'a' }])
  })

  test('says how the state of a workload was encoded', async () => {
    const [a, b] = [await node('a'), await node('b')]
    await a.run(await loadWorkload('kv'), { id: 'store' })
    const { encoding, rawBytes } = await a.migrate('store', b.address)
    const pages = Object.values(encoding.pages).reduce((sum, count) => sum + count, 0)
    expect(pages * 4096).toBe(rawBytes)
    expect(encoding.wireBytes).toBeGreaterThan(Object.values(encoding.payloadBytes).reduce((sum, bytes) => sum + bytes, 0))
  })

  test('takes what it has of another workload for one that comes for the first time, where both ends say so', async () => {
    const willing = { siblingBaselines: 4, mode: 'hybrid' } as const
    const [a, b, c] = [await node('a', willing), await node('b', willing), await node('c', { mode: 'hybrid' })]
    const module = await loadWorkload('kv')
    for (const id of ['one', 'two', 'three']) await a.run(module, { id })
    const pagesOf = async (id: string, to: DwcpNode): Promise<number> => {
      const { encoding } = await a.migrate(id, to.address)
      return encoding.pages.full + encoding.pages.delta
    }
    const [first, second, elsewhere] = [await pagesOf('one', b), await pagesOf('two', b), await pagesOf('three', c)]
    expect(second).toBeLessThan(first)
    expect(elsewhere).toBeGreaterThanOrEqual(first)
  })

  test('brings back only what has changed, after a restart too', async () => {
    const modes = { mode: 'hybrid' } as const
    const [a, b] = [await node('a', modes), await node('b', modes)]
    await a.run(await loadWorkload('kv'), { id: 'store' })
    const user = await client(a)
    for (const key of 'abcdefgh') await user.request('store', kv.put(key, randomFillSync(new Uint8Array(30_000))))
    const { encoding: whole } = await a.migrate('store', b.address)
    // What is kept has its name when it is whole: a file of chunks, and one of the image.
    const packs = async (): Promise<number> => (await readdir(join(root, 'a', 'baselines'))).filter((name) => name.endsWith('.pack')).length
    await expect.poll(packs, { timeout: 10_000 }).toBe(2)
    await a.close()
    const again = await node('a', modes)
    const { encoding } = await b.migrate('store', again.address)
    expect(encoding).toHaveProperty('baseline')
    expect(encoding.pages.full).toBe(0)
    expect(encoding.wireBytes).toBeLessThan(whole.wireBytes / 10)
  })

  test('keeps no baselines on disk where it is told so, and runs where it cannot', async () => {
    await node('a', { baselineStoreBytes: 0 })
    expect(await readdir(join(root, 'a'))).toEqual(['ownership'])
    await mkdir(join(root, 'b'))
    await writeFile(join(root, 'b', 'baselines'), 'not a directory')
    const b = await node('b')
    await b.run(await loadWorkload('kv'), { id: 'store' })
    await expect(node('c', { baselineStoreBytes: -1 })).rejects.toThrow(RangeError)
  })

  test('chooses the encoding by what the link gives, unless it is to follow the profile of the link alone', async () => {
    const [target, learned, plain] = [await node('t'), await node('l'), await node('p', { encodingChoice: 'profile' })]
    for (const source of [learned, plain]) await source.run(await loadWorkload('kv'), { id: `of-${source.id}` })
    expect((await learned.migrate('of-l', target.address)).encoding).toHaveProperty('choice.model')
    expect((await plain.migrate('of-p', target.address)).encoding).not.toHaveProperty('choice')
  })

  test('counts each request of each client once, however often it moves', async () => {
    const [a, b] = [await node('a'), await node('b')]
    await a.run(await loadWorkload('kv'), { id: 'store' })
    const users = await Promise.all([1, 2, 3].map(() => client(a, b)))
    let done = 0
    let moving = true
    const asking = users.map(async (user, i) => {
      for (let n = 0; moving; n++) {
        await user.request('store', kv.put(`${i}-${n}`, Uint8Array.of(n)))
        done++
      }
    })
    for (let hop = 0; hop < 6; hop++) await (hop % 2 === 0 ? a.migrate('store', b.address) : b.migrate('store', a.address))
    moving = false
    await Promise.all(asking)
    const [user] = users
    expect(done).toBeGreaterThan(0)
    expect(kv.decodeCount((await (user ?? (await client(a))).request('store', kv.count())).payload)).toBe(done)
  })

  test('says where a workload went, and that it knows none of another', async () => {
    const [a, b] = [await node('a'), await node('b')]
    await a.run(await loadWorkload('kv'), { id: 'store' })
    await a.migrate('store', b.address)
    await expect(a.migrate('store', b.address)).rejects.toMatchObject({
      code: 'ERR_CORE_UNKNOWN_WORKLOAD',
      message: expect.stringContaining('it is on b'),
    })
    expect(await codeOf(a.migrate('nothing', b.address))).toBe('ERR_CORE_UNKNOWN_WORKLOAD')
    const user = await client(a)
    expect((await user.request('store', kv.put('k', Uint8Array.of(1)))).node).toBe('b')
    expect(await codeOf(user.request('nothing', kv.get('k'), { timeoutMs: 300 }))).toBe('ERR_CORE_NO_ANSWER')
  })

  test('refuses a name that is taken, here and on the way', async () => {
    const [a, b] = [await node('a'), await node('b')]
    const module = await loadWorkload('kv')
    await a.run(module, { id: 'store' })
    await b.run(module, { id: 'store' })
    expect(await codeOf(a.run(module, { id: 'store' }))).toBe('ERR_OWNERSHIP_EPOCH')
    await expect(a.migrate('store', b.address)).rejects.toThrow('already owns a workload named store')
    expect([a, b].map((each) => each.workloads()[0]?.state)).toEqual(['running', 'running'])
  })

  test('refuses a module that is none, with nothing left behind', async () => {
    const a = await node('a')
    expect(await codeOf(a.run(Uint8Array.of(1, 2, 3), { id: 'w' }))).toBe('ERR_MIGRATION_UNSUPPORTED')
    expect(a.workloads()).toEqual([])
    await a.run(await loadWorkload('kv'), { id: 'w' })
  })

  test('ends a workload, whose name is then free', async () => {
    const a = await node('a')
    await a.run(await loadWorkload('kv'), { id: 'w' })
    await a.end('w', 'no longer needed')
    expect(a.workloads()).toEqual([{ id: 'w', state: 'ended', epoch: 1, reason: 'no longer needed' }])
    expect((await a.run(await loadWorkload('kv'), { id: 'w' })).state).toBe('running')
  })

  test('says after a restart that what it ran is lost, and never runs it again', async () => {
    const first = await node('a')
    await first.run(await loadWorkload('kv'), { id: 'w' })
    await first.close()
    const second = await node('a')
    expect(second.workloads()).toEqual([{ id: 'w', state: 'ended', epoch: 1, reason: 'ended with its node' }])
    expect(second.workload('w')).toBeUndefined()
  })

  test('keeps a second process out of its directory', async () => {
    await node('a')
    expect(await codeOf(node('a'))).toBe('ERR_MIGRATION_JOURNAL_LOCKED')
  })

  test('needs TLS, or a word that it is not wanted', async () => {
    await expect(startNode({ id: 'a', dataDirectory: join(root, 'a') })).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
    await expect(
      startNode({ id: 'a', dataDirectory: join(root, 'a'), plaintext: true, listen: { host: '0.0.0.0' } }),
    ).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
    // What failed has given the directory back.
    await node('a')
  })

  test('can be closed twice, and its changes end', async () => {
    const a = await node('a')
    const changes: NodeChange[] = []
    const listening = (async () => {
      for await (const change of a.changes()) changes.push(change)
    })()
    await a.run(await loadWorkload('kv'), { id: 'w' })
    await Promise.all([a.close(), a.close()])
    await listening
    expect(changes).toContainEqual({ kind: 'workload', workload: 'w' })
  })
})

describe('the links of a node', () => {
  test('are named by what was measured: loopback is a datacenter', { timeout: 60_000 }, async () => {
    const b = await node('b')
    const a = await node('a', { peers: { b: b.address } })
    await a.run(await loadWorkload('kv'), { id: 'w' })
    const isNamed = (): boolean => a.links().some((link) => link.peer === 'b' && link.mode === 'datacenter' && link.streams === 4)
    // A machine that is busy for a moment makes a path look slower: more traffic shows what it is.
    for (; !isNamed(); await sleep(50)) {
      await a.migrate('w', 'b')
      await b.migrate('w', 'a')
    }
    const link = a.links().find((each) => each.peer === 'b')
    expect(link).toMatchObject({ up: true, forced: false, security: 'plaintext' })
    expect(link?.bytesPerSecond).toBeGreaterThan(0.9e9 / 8)
    expect(link?.rttMs).toBeLessThan(10)
  })

  test('are not opened anew where a peer is named by its address', async () => {
    const [a, b] = [await node('a'), await node('b')]
    await a.run(await loadWorkload('kv'), { id: 'w' })
    await a.migrate('w', b.address)
    await b.migrate('w', 'a')
    const downs: string[] = []
    const watching = (async () => {
      for await (const change of a.changes())
        if (change.kind === 'link' && !a.links().some((link) => link.peer === change.peer && link.up)) downs.push(change.peer)
    })()
    await a.migrate('w', b.address)
    await b.migrate('w', a.address)
    await a.close()
    await watching
    // The one of its close.
    expect(downs.length).toBeLessThan(2)
  })

  test('can be forced', async () => {
    const [a, b] = [await node('a', { mode: 'internet' }), await node('b')]
    await a.run(await loadWorkload('kv'), { id: 'w' })
    await a.migrate('w', b.address)
    expect(a.links().find((link) => link.peer === 'b')).toMatchObject({ mode: 'internet', forced: true })
    // The session does what is best there.
    while (a.links().find((link) => link.peer === 'b')?.streams !== 17) await sleep(20)
  })
})

describe('flags', () => {
  test('forceV1Mode gives v1 behaviour: 16 streams, and whole blocks instead of zero pages', async () => {
    const flags = join(root, 'flags.json')
    await writeFile(flags, '{"forceV1Mode":true}')
    const module = await loadWorkload('kv')
    const returnTrip = async (name: string, options: Partial<NodeOptions>): Promise<number> => {
      const [here, there] = [await node(`${name}-1`, options), await node(`${name}-2`, options)]
      const user = await client(here, there)
      await here.run(module, { id: name })
      for (let n = 0; n < 40; n++) await user.request(name, kv.put(String(n), randomFillSync(new Uint8Array(20_000))))
      await here.migrate(name, there.address)
      expect(here.links().find((link) => link.peer === there.id)?.streams).toBe(name === 'v1' ? 16 : 4)
      // A few bytes in random pages: v1 sends the blocks whole, v3 what changed in them.
      for (let n = 0; n < 40; n++) await user.request(name, kv.put(String(n), Uint8Array.of(n)))
      return (await there.migrate(name, here.address)).wireBytes
    }
    expect(await returnTrip('v1', { flags, mode: 'hybrid' })).toBeGreaterThan(2 * (await returnTrip('v3', { mode: 'hybrid' })))
  })

  test('are obeyed within 5 s of a change by sessions that are open, with nothing lost', async () => {
    const flags = join(root, 'flags.json')
    await writeFile(flags, '{}')
    const [a, b] = [await node('a', { flags, mode: 'hybrid' }), await node('b', { mode: 'hybrid' })]
    const module = await loadWorkload('kv')
    for (const id of ['first', 'second', 'third']) await a.run(module, { id })
    const streams = (): number | undefined => a.links().find((link) => link.peer === 'b')?.streams
    await a.migrate('first', b.address)
    expect(streams()).toBe(4)
    const changedMs = performance.now()
    await writeFile(flags, '{"forceV1Mode":true}')
    // Under way while the flags change.
    await a.migrate('second', b.address)
    while (streams() !== 16) await sleep(20)
    expect(performance.now() - changedMs).toBeLessThan(5000)
    expect(a.flags().flags.forceV1Mode).toBe(true)
    await a.migrate('third', b.address)
    expect(b.workloads().map((workload) => workload.state)).toEqual(['running', 'running', 'running'])
  })
})
