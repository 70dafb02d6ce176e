import { readFile } from 'node:fs/promises'
import { bytesBase, createCodec, createDeltaEncoder } from '@dwcp/hde'
import { zstdCompress } from '@dwcp/native-rdma/codec'
import { loadHash } from '@dwcp/native-rdma/hash'
import { CorpusAbsent } from '../corpora/corpora-folder.js'
import { guestPair } from '../corpora/guest-memory.js'
import type { BuiltPair } from '../corpora/pairs.js'
import { entropyBitsPerByte } from '../harness/data.js'
import { startPeer } from '../harness/process.js'
import type { Case, Contender, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { changedMemory, PAGE_BYTES, syntheticMemory } from './encoding/page-sets.js'
import type { FallbackData } from './fallback/reader-process.js'

const SEED = 7
const FULL_BYTES = 64 * 2 ** 20
const SHORT_BYTES = 4 * 2 ** 20
/** Of a run: one alone takes a third of a second, and compilation would be a good part of it. */
const PASSES = 4
/** What one zstd frame holds. */
const FRAME_BYTES = 2 ** 20
/** Where the dumps have little that is zero. */
const DUMP_AT = 64 * 2 ** 20

interface Versions {
  readonly kind: string
  readonly seed?: number
  readonly before: Uint8Array
  readonly after: Uint8Array
}

export const suite: Suite = {
  name: 'fallback',
  purpose:
    'MB of content per CPU second that decode without the addon, digests verified, beside fzstd alone on zstd frames of the same content.',
  tools: [],
  async cases(context) {
    context.note(
      `everything is encoded with the addon and decoded in a process with DWCP_NATIVE=off, ${PASSES} times a run; the first run, in which most is compiled, is not counted`,
    )
    context.note(
      'fzstd and zstd frames: frames of 1 MiB by level 3; page frames: a first copy by profile hybrid; delta stream: given the earlier version',
    )
    const bytes = context.short ? SHORT_BYTES : FULL_BYTES
    const synthetic = fallbackCase('synthetic memory', async () => {
      const before = syntheticMemory(SEED, bytes)
      return {
        kind: 'half zero pages, 20 % random, 10 % duplicates, 20 % text; a later version',
        seed: SEED,
        before,
        after: changedMemory(before, SEED + 1),
      }
    })
    return context.short ? [synthetic] : [synthetic, ...(await dumpCases(context))]
  },
}

async function dumpCases(context: SuiteContext): Promise<readonly Case[]> {
  const wanted = [
    ['redis guest', 'kvA-t00', 'kvA-t05'],
    ['sqlite guest', 'dbB-t00', 'dbB-t05'],
  ] as const
  const cases: Case[] = []
  try {
    for (const [name, from, to] of wanted) cases.push(dumpCase(`${name}, 64 MiB`, await guestPair(from, to)))
  } catch (cause) {
    if (!(cause instanceof CorpusAbsent)) throw cause
    context.note(`without the RAM dumps: ${cause.message}`)
  }
  return cases
}

function dumpCase(name: string, { kind, before, after }: BuiltPair): Case {
  return fallbackCase(name, async () => {
    const part = async (file: string): Promise<Uint8Array> => (await readFile(file)).subarray(DUMP_AT, DUMP_AT + FULL_BYTES)
    return { kind, before: await part(before ?? after), after: await part(after) }
  })
}

function fallbackCase(name: string, versions: () => Promise<Versions>): Case {
  return {
    name,
    metrics: [{ name: 'decode', unit: 'MB/s of CPU', better: 'higher', exact: false }],
    async open(): Promise<OpenCase> {
      const { kind, before, after, ...seeded } = await versions()
      const peer = startPeer(new URL('./fallback/reader-process.js', import.meta.url), (command) => ['env', 'DWCP_NATIVE=off', ...command])
      await peer.ask({ method: 'take', argument: await encoded(before, after) })
      const contender = (contenderName: string, method: string, ours: boolean): Contender => ({
        name: contenderName,
        ours,
        run: async () => {
          let seconds = 0
          for (let pass = 0; pass < PASSES; pass += 1) seconds += await peer.ask<number>({ method })
          return { decode: (PASSES * after.length) / 1e6 / seconds }
        },
      })
      const contenders = [
        contender('zstd frames', 'zstd', true),
        contender('page frames', 'pages', true),
        contender('delta stream', 'delta', true),
        contender('fzstd', 'fzstd', false),
      ]
      const data = { kind, bytes: after.length, entropyBitsPerByte: entropyBitsPerByte(after), ...seeded }
      return { data, contenders, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() }
    },
  }
}

async function encoded(before: Uint8Array, after: Uint8Array): Promise<FallbackData> {
  const hash = await loadHash()
  const parts = Array.from({ length: Math.ceil(after.length / FRAME_BYTES) }, (_, at) =>
    after.subarray(at * FRAME_BYTES, (at + 1) * FRAME_BYTES),
  )
  const zstdFrames: Uint8Array[] = []
  for (const part of parts) zstdFrames.push(await zstdCompress(part))
  const regions = [{ pageBytes: PAGE_BYTES, lengthBytes: after.length, maxLengthBytes: after.length }]
  const encoder = createCodec().encoder({ workload: 'w', regions })
  const pages = Uint32Array.from({ length: after.length / PAGE_BYTES }, (_, page) => page)
  const pageFrames = await encoder.encode({ kind: 'pages', region: 0, pages, bytes: after })
  encoder.close()
  const stream: Uint8Array[] = []
  for await (const frame of createDeltaEncoder().encode(after, { base: bytesBase(before) })) stream.push(frame)
  const digests = parts.map((part) => hash.xxh3_128(part))
  return { zstdFrames, digests, pageFrames, stream: Buffer.concat(stream), base: before, bytes: after.length }
}
