import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openRig, until } from './rig.ts'

const PAGE_BYTES = 4096
const manifest = (workload: string, pages = 8): unknown => {
  const lengthBytes = pages * PAGE_BYTES
  return {
    workload,
    kind: 'memory',
    version: 1,
    regions: [{ pageBytes: PAGE_BYTES, lengthBytes, maxLengthBytes: lengthBytes }],
    requires: {},
  }
}
const prepare = (migration: string, workload = migration): unknown => ({
  question: 'prepare',
  migration,
  epoch: 1,
  manifest: manifest(workload),
})
const offer = (workload: string): unknown => ({ question: 'offer', workload, attempt: { lineage: 'l', epoch: 2, number: 1 } })

function framed(bytes: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(4 + bytes.length)
  frame.writeUInt32BE(bytes.length)
  frame.set(bytes, 4)
  return frame
}
const header = (migration: string): Uint8Array => framed(new TextEncoder().encode(migration))
const pages = (numbers: readonly number[], bytes = numbers.length * PAGE_BYTES): Uint8Array =>
  framed(encode({ kind: 'pages', region: 0, pages: numbers, bytes: new Uint8Array(bytes) }))
const final = framed(encode({ kind: 'final', digest: 'sha-256:00000000' }))

async function* stalled(pieces: readonly Uint8Array[], onStall: () => void = () => undefined): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces
  onStall()
  await new Promise<never>(() => undefined)
}

/** Valid messages of both channels, as an attacker would begin from. */
const templates: readonly Uint8Array[] = [
  ...[
    prepare('m', 'x'),
    { question: 'outcome', workload: 'w', epoch: 1 },
    { question: 'heard', workload: 'w' },
    { question: 'cancel', migration: 'm' },
    offer('w'),
    { question: 'inquire', workload: 'w', attempt: { lineage: 'l', epoch: 2, number: 1 } },
    { question: 'return', workload: 'w', lineage: 'l', epoch: 1 },
  ].map((body) => encode({ kind: 'ask', id: 'i', body })),
  encode({ kind: 'answer', id: 'i', body: { outcome: 'accepted' } }),
  encode({ kind: 'refusal', id: 'i', reason: 'no', code: '', retryable: false }),
]

const mutated: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.constantFrom(...templates),
    fc.array(
      fc.record({
        at: fc.nat(400),
        bytes: fc.oneof(
          fc.uint8Array({ maxLength: 6 }),
          fc.constantFrom(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff), Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff)),
        ),
        removed: fc.nat(6),
      }),
      { maxLength: 4 },
    ),
    fc.uuid(),
  )
  .map(([template, edits, id]) => {
    const message = [...template]
    for (const { at, bytes, removed } of edits) message.splice(at % (message.length + 1), removed, ...bytes)
    // Fresh ids, or a node would give its first answer again.
    const text = Buffer.from(message).toString('latin1')
    return Buffer.from(text.replace('\xa2id\xa1i', `\xa2id\xb0${id.slice(0, 16)}`), 'latin1')
  })

describe('a hostile peer', () => {
  test('gains nothing by messages that are nearly right: the workload runs on, and the node answers', async () => {
    await using rig = openRig()
    const a = rig.node('a')
    const workload = await a.run('w')
    const stranger = rig.peer('c')
    const before = a.disk.get('w')
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('migration', 'ownership'), mutated), { minLength: 20, maxLength: 20 }),
        async (messages) => {
          for (const [channel, bytes] of messages) stranger.transport.send('a', channel, bytes)
          await new Promise((resolve) => setImmediate(resolve))
          expect(rig.running).toEqual(['w'])
          expect({ ...a.disk.get('w'), refused: [] }).toEqual(before)
        },
      ),
      { numRuns: 150 },
    )
    workload.step()
    expect(await stranger.ask('a', 'migration', { question: 'cancel', migration: 'none' })).toMatchObject({ kind: 'answer' })
    expect(a.migrator.arriving().length).toBeLessThanOrEqual(16)
  })

  test('cannot send state that nobody asked for, nor a name as long as a frame', async () => {
    await using rig = openRig()
    rig.node('a')
    const { transport } = rig.peer('c')
    const send = (...pieces: readonly Uint8Array[]): Promise<unknown> =>
      transport.sendObject('a', 'migration/state', Buffer.concat(pieces), { class: 'bulk' })
    await expect(send(header('no such migration'), final)).rejects.toThrow('no place is kept here')
    await expect(send(header('x'.repeat(300)), final)).rejects.toThrow('over the limit of 256')
    await expect(send(new Uint8Array(0))).rejects.toThrow('without a header')
    await expect(send(Uint8Array.of(0, 0, 1))).rejects.toThrow('inside a frame')
  })

  const streams: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['names a page out of range', [pages([8])]],
    ['names pages without their bytes', [pages([0, 1], 7)]],
    ['sends a frame that is none', [framed(Uint8Array.of(0xc1))]],
    ['ends with a digest of something else', [pages([0]), final]],
    ['ends without saying so', [pages([0])]],
    ['ends twice', [final, final]],
    ['announces a frame longer than any may be', [Uint8Array.of(0xff, 0xff, 0xff, 0xff)]],
  ]
  for (const [what, pieces] of streams) {
    test(`that ${what} leaves nothing here`, async () => {
      await using rig = openRig()
      const b = rig.node('b')
      const stranger = rig.peer('c')
      expect(await stranger.ask('b', 'migration', prepare('m'))).toMatchObject({ kind: 'answer' })
      const sent = stranger.transport.sendObject('b', 'migration/state', Buffer.concat([header('m'), ...pieces]), { class: 'bulk' })
      await expect(sent).rejects.toMatchObject({ code: 'ERR_AMST_REJECTED' })
      await until(() => b.migrator.arriving().length === 0)
      expect(await stranger.ask('b', 'ownership', offer('m'))).toMatchObject({ body: { outcome: 'refused' } })
      expect(rig.running).toEqual([])
    })
  }

  test('that falls silent in the middle of its state loses its place, and its stream ends', async () => {
    await using rig = openRig()
    const b = rig.node('b', { limits: { idleTimeoutMs: 50 } })
    const stranger = rig.peer('c')
    await stranger.ask('b', 'migration', prepare('m'))
    const sent = stranger.transport.sendObject('b', 'migration/state', { stream: stalled([header('m'), pages([0])]) }, { class: 'bulk' })
    await expect(sent).rejects.toThrow('nothing was heard of m from c for 50 ms')
    expect(b.migrator.arriving()).toEqual([])
  })

  test('that cancels while its state is under way leaves no reader behind', async () => {
    await using rig = openRig()
    const b = rig.node('b')
    const stranger = rig.peer('c')
    await stranger.ask('b', 'migration', prepare('m'))
    const cancel = (): void => void stranger.ask('b', 'migration', { question: 'cancel', migration: 'm' })
    const sent = stranger.transport.sendObject(
      'b',
      'migration/state',
      { stream: stalled([header('m'), pages([0])], cancel) },
      { class: 'bulk' },
    )
    await expect(sent).rejects.toThrow('c gave the migration up')
    expect(b.migrator.arriving()).toEqual([])
  })

  test('gets as many places as there are, and no more', async () => {
    await using rig = openRig()
    const b = rig.node('b', { limits: { maxArrivals: 3 } })
    const stranger = rig.peer('c')
    for (let place = 0; place < 3; place++)
      expect(await stranger.ask('b', 'migration', prepare(`m${place}`))).toMatchObject({ kind: 'answer' })
    expect(await stranger.ask('b', 'migration', prepare('m3'))).toMatchObject({
      kind: 'refusal',
      code: 'ERR_MIGRATION_BUSY',
      retryable: true,
    })
    expect(b.migrator.arriving()).toHaveLength(3)
  })

  test('cannot offer, cancel or send in the name of another', async () => {
    await using rig = openRig()
    const b = rig.node('b')
    const [source, thief] = [rig.peer('s'), rig.peer('c')]
    await source.ask('b', 'migration', prepare('m', 'w'))
    expect(await thief.ask('b', 'ownership', offer('w'))).toMatchObject({
      body: { outcome: 'refused', reason: 'it does not expect this workload' },
    })
    await thief.ask('b', 'migration', { question: 'cancel', migration: 'm' })
    expect(b.migrator.arriving()).toEqual(['w'])
    const sent = thief.transport.sendObject('b', 'migration/state', Buffer.concat([header('m'), final]), { class: 'bulk' })
    await expect(sent).rejects.toThrow('no place is kept here')
    expect(await thief.ask('b', 'migration', prepare('m', 'w'))).toMatchObject({ kind: 'refusal', reason: 'w is already arriving here' })
  })

  for (const nonsense of [undefined, { have: 'all' }, { have: Array.from({ length: 65 }, () => 'sha-256:00000000') }]) {
    test(`that makes room with ${JSON.stringify(nonsense)?.slice(0, 30)} gets nothing; the workload runs on`, async () => {
      await using rig = openRig()
      const a = rig.node('a')
      const { transport } = rig.peer('c')
      transport.receive('migration', (_from, payload) => {
        const at = Buffer.from(payload).indexOf('\xa2id', 0, 'latin1')
        const id = Buffer.from(payload).toString('latin1', at + 5, at + 5 + 36)
        transport.send('a', 'migration', encode({ kind: 'answer', id, body: nonsense }))
      })
      await expect(a.migrator.migrate(await a.run('w'), 'c')).rejects.toMatchObject({ code: 'ERR_MIGRATION_PROTOCOL' })
      expect(rig.running).toEqual(['w'])
    })
  }

  test('that makes room and never reads keeps nobody: an abort ends it, and the workload has run all the time', async () => {
    await using rig = openRig()
    const a = rig.node('a')
    const { transport } = rig.peer('c')
    transport.receive('migration', (_from, payload) => {
      const at = Buffer.from(payload).indexOf('\xa2id', 0, 'latin1')
      const id = Buffer.from(payload).toString('latin1', at + 5, at + 5 + 36)
      transport.send('a', 'migration', encode({ kind: 'answer', id, body: { have: [] } }))
    })
    const abort = new AbortController()
    transport.receiveObject('migration/state', async () => {
      abort.abort(new Error('enough of it'))
      await new Promise<never>(() => undefined)
    })
    await expect(a.migrator.migrate(await a.run('w'), 'c', { signal: abort.signal })).rejects.toThrow('enough of it')
    expect(rig.running).toEqual(['w'])
  })
})
