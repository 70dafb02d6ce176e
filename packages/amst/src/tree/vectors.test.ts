import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeAnswer, encodeAnswer } from './answer.ts'
import { decodeEntry, encodeEntry, type TreeEntry } from './entry.ts'
import { namesOf, shown, staysInside } from './names.ts'
import { decodeOffer, decodeQuestion, encodeOffer, encodeQuestion, resumeKey } from './offer.ts'
import { decodePack, encodePack } from './pack.ts'
import { framed, recordsIn } from './records.ts'

const page = await readFile(new URL('../../../../docs/wire/trees.md', import.meta.url), 'utf8')
const name = (text: string): Buffer => Buffer.from(text)
const mtimeNs = 1_000_000_000_123_456_789n

const entries: Readonly<Record<string, TreeEntry>> = {
  directory: { kind: 'directory', name: name('src'), mode: 0o755, mtimeNs },
  file: { kind: 'file', name: name('a'), mode: 0o644, mtimeNs, sizeBytes: 5, isLinked: false },
  'file with links and a digest': {
    kind: 'file',
    name: name('a'),
    mode: 0o600,
    mtimeNs,
    sizeBytes: 5,
    isLinked: true,
    digest: Uint8Array.from({ length: 16 }, (_, n) => n),
  },
  'symbolic link': { kind: 'symlink', name: name('l'), mtimeNs, target: name('src/a') },
  'hard link': { kind: 'link', name: name('h'), target: name('src/a') },
  up: { kind: 'up' },
}

test.each([
  ...Object.entries(entries).map(([what, entry]) => [what, framed(encodeEntry(entry))] as const),
  ['looked', framed(encodeAnswer({ kind: 'looked', entry: 3 }))],
  ['want', framed(encodeAnswer({ kind: 'want', entry: 2 }))],
  ['failed', framed(encodeAnswer({ kind: 'failed', entry: 1, code: 'EACCES', path: name('src/a') }))],
  [
    'pack',
    encodePack([
      { entry: 1, bytes: name('hello') },
      { entry: 2, bytes: undefined },
    ]),
  ],
  ['offer', encodeOffer({ comparesContents: true, directory: name('a/b') })],
  ['question', encodeQuestion({ comparesContents: false, resumes: true, paths: [name('a'), name('b/')] })],
  ['resume key', Buffer.from(resumeKey(name('to'), name('src/a'), 5, mtimeNs))],
] as const)('the bytes of "%s" are those that docs/wire/trees.md shows', (what, bytes) => {
  expect(page).toContain(`| ${what} | \`${what === 'resume key' ? bytes.toString() : bytes.toString('hex')}\` |`)
})

describe('what was written is read back, and nothing else is', () => {
  test.each(Object.entries(entries))('%s', (what, entry) => {
    const hasDigests = what.endsWith('digest')
    const record = encodeEntry(entry)
    expect(decodeEntry(record, hasDigests)).toEqual(entry)
    for (let end = 0; end < record.byteLength - (entry.kind === 'symlink' || entry.kind === 'link' ? entry.target.byteLength : 1); end += 1)
      expect(() => decodeEntry(record.subarray(0, end), hasDigests)).toThrow(expect.objectContaining({ code: 'ERR_AMST_PROTOCOL' }))
  })

  test('answers, packs, offers and questions', () => {
    const failed = { kind: 'failed' as const, entry: 9, code: 'ENOSPC', path: Buffer.from([0xff]) }
    expect(decodeAnswer(encodeAnswer(failed))).toEqual(failed)
    expect(decodeAnswer(encodeAnswer({ ...failed, code: 'bad code' }))).toMatchObject({ code: 'ERR_UNKNOWN' })
    expect([...decodePack(encodePack([{ entry: 1, bytes: name('x') }]))]).toEqual([{ entry: 1, bytes: name('x') }])
    const question = { comparesContents: true, resumes: false, paths: [name(''), name('x')] }
    expect(decodeQuestion(encodeQuestion(question))).toEqual(question)
    expect(decodeOffer(encodeOffer({ comparesContents: false, directory: name('d') }))).toEqual({
      comparesContents: false,
      directory: name('d'),
    })
  })

  test('records are found again however the stream was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), fc.array(fc.nat(200)), async (records, cuts) => {
        const whole = Buffer.concat(records.map(framed))
        async function* pieces(): AsyncGenerator<Uint8Array> {
          let from = 0
          for (const cut of [...cuts.map((one) => one % (whole.byteLength + 1)).sort((a, b) => a - b), whole.byteLength]) {
            yield whole.subarray(from, cut)
            from = cut
          }
        }
        const found: Buffer[] = []
        for await (const some of recordsIn(pieces())) found.push(...some)
        expect(found).toEqual(records.map((record) => Buffer.from(record)))
      }),
    )
  })
})

test('any bytes are read as what they are, or refused with a code', () => {
  const decoders = [
    (bytes: Buffer) => decodeEntry(bytes, false),
    (bytes: Buffer) => decodeEntry(bytes, true),
    decodeAnswer,
    (bytes: Buffer) => [...decodePack(bytes)],
    decodeOffer,
    decodeQuestion,
  ]
  const seeds = [
    ...Object.values(entries).map(encodeEntry),
    encodePack([{ entry: 1, bytes: name('hello') }]),
    encodeAnswer({ kind: 'want', entry: 1 }),
  ]
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...seeds)), fc.nat(59), fc.nat(255), (seed, at, value) => {
      const bytes = Buffer.from(seed)
      if (at < bytes.byteLength) bytes[at] = value
      for (const decode of decoders) {
        try {
          decode(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_AMST_(PROTOCOL|PATH|VERSION)$/) })
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('a path is its names, and one that leads out has none', () => {
  expect(namesOf(name('a//b/./c/')).map(String)).toEqual(['a', 'b', 'c'])
  for (const path of ['/a', '..', 'a/../b', 'a\0', '.dwcp', 'a/.dwcp/b', 'x'.repeat(256)])
    expect(() => namesOf(name(path))).toThrow(expect.objectContaining({ code: 'ERR_AMST_PATH' }))
  expect(namesOf(name('x'.repeat(255)))).toHaveLength(1)
})

test('a link that may stay only goes up at its beginning, and not out', () => {
  for (const [target, depth] of [
    ['a', 0],
    ['../a', 1],
    ['./../../a/b', 2],
    ['a/b/', 0],
    ['..', 1],
  ] as const)
    expect(staysInside(name(target), depth)).toBe(true)
  for (const [target, depth] of [
    ['../a', 0],
    ['/a', 9],
    ['a/..', 9],
    ['../../a', 1],
    ['a/../../b', 9],
  ] as const)
    expect(staysInside(name(target), depth)).toBe(false)
})

test('what would move a cursor is shown escaped', () => {
  expect(shown(name('ä b\u001b[2J\\'))).toBe('ä b\\x1b[2J\\x5c')
  expect(shown(Buffer.from([0xff, 0x41]))).toBe('\\xffA')
})
