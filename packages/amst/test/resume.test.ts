import { randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  type BlockSource,
  fileSource,
  openTransferJournal,
  type SavedObject,
  type SendOptions,
  type Session,
  type TransferJournal,
  type TransferJournalOptions,
} from '../src/index.ts'
import { firstOf, type Pair, pairThroughProxy } from './pair.ts'

const BLOCK_BYTES = 262_144
const BYTES = randomBytes(40 * BLOCK_BYTES + 77)

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'amst-resume-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

async function journalIn(at: string, options: TransferJournalOptions = {}): Promise<TransferJournal> {
  const journal = await openTransferJournal(join(at, 'journal'), options)
  onTestFinished(() => journal[Symbol.asyncDispose]())
  return journal
}

/** Bytes that end their session when so many blocks were read, and some of them have been saved. */
function breaking(bytes: Uint8Array, { a }: Pair, blocks: number, saved: Promise<void>): BlockSource {
  let reads = 0
  return {
    lengthBytes: bytes.byteLength,
    read: async (offset, lengthBytes) => {
      reads += 1
      if (reads > blocks) {
        await saved
        a.destroy()
        await new Promise(() => undefined)
      }
      return bytes.subarray(offset, offset + lengthBytes)
    },
  }
}

/** One session: sends under a key, saves with the journal. */
async function carry(
  pair: Pair,
  source: BlockSource | Uint8Array,
  path: string,
  journal: TransferJournal,
  onProgress?: SendOptions['onProgress'],
): Promise<readonly [PromiseSettledResult<unknown>, PromiseSettledResult<SavedObject>]> {
  return Promise.allSettled([
    pair.a.send(source, { resume: 'one', ...(onProgress && { onProgress }) }),
    firstOf(pair.b).then((transfer) => {
      expect(transfer.resumeKey).toBe('one')
      return transfer.saveTo(path, { journal })
    }),
  ])
}

/** A first session that breaks in the middle. */
async function half(path: string, journal: TransferJournal, bytes: Uint8Array = BYTES): Promise<void> {
  const pair = await pairThroughProxy()
  let isSaved = (): void => undefined
  const some = new Promise<void>((resolve) => {
    isSaved = resolve
  })
  const [sent, saved] = await carry(pair, breaking(bytes, pair, 24, some), path, journal, ({ ackedBytes }) => {
    // More than goes out before the receiver says what it has; each is saved before the next one is taken.
    if (ackedBytes >= 10 * BLOCK_BYTES) isSaved()
  })
  expect([sent.status, saved.status]).toEqual(['rejected', 'rejected'])
}

const draftIn = async (at: string): Promise<string> => join(at, (await readdir(at)).find((name) => name.endsWith('.part')) ?? '')
const entryIn = async (at: string): Promise<string> =>
  join(at, 'journal', (await readdir(join(at, 'journal'))).find((name) => name.endsWith('.journal')) ?? '')

const chunksSent = (session: Session): number => session.stats().sentBytes / BLOCK_BYTES

test('what a broken session has brought is not sent again in the next one', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  await half(join(at, 'to'), journal)
  expect((await stat(await draftIn(at))).mode & 0o777).toBe(0o600)
  const progress: number[] = []
  const pair = await pairThroughProxy()
  const saving = firstOf(pair.b).then((transfer) => transfer.saveTo(join(at, 'to'), { journal }))
  const receipt = await pair.a.send(BYTES, { resume: 'one', onProgress: ({ ackedBytes }) => progress.push(ackedBytes) })
  const { keptBytes, isRepeat } = await saving
  expect(receipt).toMatchObject({ lengthBytes: BYTES.byteLength, digest: expect.stringMatching(/^blocks-xxh3-128:[0-9a-f]{32}$/) })
  expect(isRepeat).toBe(false)
  expect(keptBytes).toBeGreaterThan(0)
  // An initial window may be on its way before the receiver has said what it has.
  expect(chunksSent(pair.a)).toBeLessThan((BYTES.byteLength - keptBytes) / BLOCK_BYTES + 5)
  expect(progress.at(-1)).toBe(BYTES.byteLength)
  expect(BYTES.equals(await readFile(join(at, 'to')))).toBe(true)
  expect((await readdir(at)).toSorted()).toEqual(['journal', 'to'])
})

test('an object that was completed is not sent, nor stored, a second time', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  const first = await pairThroughProxy()
  expect(await carry(first, BYTES, join(at, 'to'), journal)).toMatchObject([{}, { value: { isRepeat: false, keptBytes: 0 } }])
  const { ino } = await stat(join(at, 'to'))
  const second = await pairThroughProxy()
  const lengthBytes = BYTES.byteLength
  expect(await carry(second, BYTES, join(at, 'to'), journal)).toMatchObject([
    { value: { lengthBytes } },
    { value: { lengthBytes, isRepeat: true, keptBytes: lengthBytes } },
  ])
  expect((await stat(join(at, 'to'))).ino).toBe(ino)
  expect(chunksSent(second.a)).toBeLessThan(5)
})

test('another object under the key of a completed one takes its place', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  await carry(await pairThroughProxy(), BYTES, join(at, 'to'), journal)
  const other = Buffer.from(BYTES)
  other[BYTES.byteLength - 1] = (other.at(-1) ?? 0) ^ 1
  for (const bytes of [other, other]) {
    const [sent, saved] = await carry(await pairThroughProxy(), bytes, join(at, 'to'), journal)
    expect([sent, saved]).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
    expect(other.equals(await readFile(join(at, 'to')))).toBe(true)
  }
})

test.each<[string, (at: string) => Promise<void>]>([
  ['nothing', async () => undefined],
  ['a draft that was changed', async (at) => overwrite(await draftIn(at), 3 * BLOCK_BYTES, randomBytes(2 * BLOCK_BYTES))],
  ['a draft that was cut', async (at) => truncate(await draftIn(at), 2 * BLOCK_BYTES + 5)],
  ['a draft that is gone', async (at) => rm(await draftIn(at))],
  ['a journal that was torn', async (at) => truncate(await entryIn(at), (await stat(await entryIn(at))).size - 11)],
  ['a journal with a tail of noise', async (at) => appendFile(await entryIn(at), randomBytes(4801))],
  [
    'a journal that was changed in the middle',
    async (at) => overwrite(await entryIn(at), (await stat(await entryIn(at))).size - 100, Buffer.alloc(10)),
  ],
  ['a journal with another head', async (at) => overwrite(await entryIn(at), 12, Buffer.alloc(3))],
  ['an empty journal', async (at) => truncate(await entryIn(at), 0)],
  ['no journal', async (at) => rm(await entryIn(at))],
])('after %s the object is whole and right', async (_what, damage) => {
  const at = await folder()
  const journal = await journalIn(at)
  await half(join(at, 'to'), journal)
  await damage(at)
  const [sent, saved] = await carry(await pairThroughProxy(), BYTES, join(at, 'to'), journal)
  expect([sent, saved]).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
  expect(BYTES.equals(await readFile(join(at, 'to')))).toBe(true)
})

test.each([
  ['at its beginning', [0]],
  ['past what goes out before the receiver says what it has', [5]],
  ['at the end of what was there', [20]],
  ['here and there', [1, 3, 6, 11, 39]],
  ['everywhere', Array.from({ length: 40 }, (_, block) => block)],
])('a source that has changed since, %s, arrives as it is now', async (_where, blocks) => {
  const at = await folder()
  const journal = await journalIn(at)
  await half(join(at, 'to'), journal)
  const changed = Buffer.from(BYTES)
  for (const block of blocks) changed.set(randomBytes(100), block * BLOCK_BYTES)
  const [sent, saved] = await carry(await pairThroughProxy(), changed, join(at, 'to'), journal)
  expect([sent, saved]).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
  expect(changed.equals(await readFile(join(at, 'to')))).toBe(true)
})

test('nobody goes on with what another peer began, nor with an object of another length', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  await half(join(at, 'to'), journal)
  const [, saved] = await carry(await pairThroughProxy({ name: 'c' }), BYTES, join(at, 'other'), journal)
  expect(saved).toMatchObject({ value: { keptBytes: 0 } })
  const shorter = BYTES.subarray(0, BYTES.byteLength - 1)
  expect(await carry(await pairThroughProxy(), shorter, join(at, 'to'), journal)).toMatchObject([{}, { value: { keptBytes: 0 } }])
  expect((await readFile(join(at, 'to'))).equals(shorter)).toBe(true)
})

test('a sender that begins anew takes over from its own transfer that has not noticed yet', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  const [stuck, next] = [await pairThroughProxy(), await pairThroughProxy()]
  let began = (): void => undefined
  const halfway = new Promise<void>((resolve) => {
    began = resolve
  })
  const source: BlockSource = {
    lengthBytes: BYTES.byteLength,
    read: async (offset, lengthBytes) => {
      if (offset >= 20 * BLOCK_BYTES) {
        began()
        await new Promise(() => undefined)
      }
      return BYTES.subarray(offset, offset + lengthBytes)
    },
  }
  const former = carry(stuck, source, join(at, 'to'), journal)
  await halfway
  expect(await carry(next, BYTES, join(at, 'to'), journal)).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
  expect(await former).toMatchObject([{ reason: { code: 'ERR_AMST_REJECTED' } }, { reason: { code: 'ERR_AMST_CANCELLED' } }])
  expect(BYTES.equals(await readFile(join(at, 'to')))).toBe(true)
})

test('a damaged chunk and a stream that is cut cost a resumable object no more than themselves', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  let damaged = 0
  const damage = (bytes: Buffer, toServer: boolean, before: number): Buffer => {
    if (!toServer || before === 0 || bytes.byteLength < 10_000 || damaged >= 3) return bytes
    damaged += 1
    const copy = Buffer.from(bytes)
    copy[copy.byteLength - 1] = (copy.at(-1) ?? 0) ^ 1
    return copy
  }
  const pair = await pairThroughProxy({ damage })
  const cutting: BlockSource = {
    lengthBytes: BYTES.byteLength,
    read: (offset, lengthBytes) => {
      if (offset === 30 * BLOCK_BYTES) pair.proxy.cutOne(2)
      return BYTES.subarray(offset, offset + lengthBytes)
    },
  }
  expect(await carry(pair, cutting, join(at, 'to'), journal)).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
  expect(BYTES.equals(await readFile(join(at, 'to')))).toBe(true)
})

test('what is too old is forgotten with its draft, and what is too much', async () => {
  const at = await folder()
  const journal = await openTransferJournal(join(at, 'journal'))
  await half(join(at, 'to'), journal)
  await journal[Symbol.asyncDispose]()
  expect(await readdir(at)).toHaveLength(2)
  await (await openTransferJournal(join(at, 'journal'), { retentionMs: 0 }))[Symbol.asyncDispose]()
  expect([await readdir(at), await readdir(join(at, 'journal'))]).toEqual([['journal'], []])
})

test('a journal belongs to one process and one owner at a time', async () => {
  const at = await folder()
  await journalIn(at)
  await expect(openTransferJournal(join(at, 'journal'))).rejects.toMatchObject({ code: 'ERR_AMST_LOCKED' })
})

test('what cannot be read twice cannot be resumed, and a journal is for paths', async () => {
  const { a, b } = await pairThroughProxy()
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield BYTES
  }
  await expect(a.send(stream(), { resume: 'one' })).rejects.toThrow(TypeError)
  await expect(a.send(BYTES, { resume: 'x'.repeat(256) })).rejects.toThrow(RangeError)
  const journal = await journalIn(await folder())
  const [, saved] = await Promise.allSettled([
    a.send(BYTES, { resume: 'one' }),
    firstOf(b).then((transfer) => transfer.saveTo({ write: () => undefined }, { journal })),
  ])
  expect(saved).toMatchObject({ reason: expect.any(TypeError) })
})

test('an empty file is saved, and complete when it is sent again', async () => {
  const at = await folder()
  const journal = await journalIn(at)
  await writeFile(join(at, 'from'), '')
  const send = async () => carry(await pairThroughProxy(), await fileSource(join(at, 'from')), join(at, 'to'), journal)
  expect(await send()).toMatchObject([{}, { value: { isRepeat: false } }])
  expect(await send()).toMatchObject([{}, { value: { isRepeat: true } }])
  expect((await readFile(join(at, 'to'))).byteLength).toBe(0)
})

async function overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.byteLength, offset)
}
