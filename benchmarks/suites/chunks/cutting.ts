import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type ChunkSizes, cutChunks, type DigestKind } from '@dwcp/native-rdma/chunk'
import { loadBlake3 } from '@dwcp/native-rdma/hash'
import type { BuiltPair, Pair } from '../../corpora/pairs.js'
import { entropyBitsPerByte } from '../../harness/data.js'
import { isInstalled } from '../../harness/machine.js'
import { runProgram } from '../../harness/program.js'
import type { Case, Contender, OpenCase } from '../../harness/suite.js'
import { type WorkingFiles, workingFiles } from '../delta/working-files.js'
import { cpuStopwatch } from '../encoding/page-transfer.js'
import type { PairCase } from './pair-case.js'

/** As `createChunkEncoder` cuts: docs/wire/chunks.md. */
const CONTENT: ChunkSizes = { leastBytes: 2048, averageBytes: 8192, mostBytes: 65_536 }
const PAGES: ChunkSizes = { leastBytes: 4096, averageBytes: 4096, mostBytes: 4096 }
/** Handed over at once, as stores and encoders do. */
const SEGMENT_BYTES = 4 << 20

/** How fast content is cut and hashed, beside hashes that others name their chunks by. */
export const CUTTING: PairCase = { nameOf: ({ name }) => `cutting ${name}`, make: cuttingCase }

function cuttingCase(pair: Pair, built: BuiltPair): Case {
  return {
    name: CUTTING.nameOf(pair),
    metrics: [
      { name: 'speed', unit: 'MB/CPU-s', better: 'higher', exact: false },
      { name: 'mean chunk', unit: 'B', better: 'lower', exact: true },
    ],
    async open(context): Promise<OpenCase> {
      const files = await workingFiles({ after: built.after, kind: built.kind })
      const bytes = await readFile(files.after)
      const contenders = [
        cutting('content, not named', bytes, CONTENT),
        cutting('content, BLAKE3', bytes, CONTENT, 'blake3'),
        cutting('content, XXH3-128', bytes, CONTENT, 'xxh3-128'),
        cutting('pages, BLAKE3', bytes, PAGES, 'blake3'),
        await whole(bytes),
        ...(['sha256', 'blake2b512'] as const).map((name) => hashed(name, bytes)),
      ]
      for (const program of ['sha256sum', 'b3sum']) {
        if (await isInstalled(program)) contenders.push(summed(program, files))
        else context.note(`without ${program}: it is not installed`)
      }
      const data = { kind: built.kind, bytes: bytes.length, entropyBitsPerByte: entropyBitsPerByte(bytes.subarray(0, 32 << 20)) }
      return { data, contenders, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() }
    },
  }
}

function cutting(name: string, bytes: Uint8Array, sizes: ChunkSizes, digest?: DigestKind): Contender {
  return {
    name,
    ours: true,
    async run() {
      let [at, chunks] = [0, 0]
      const cpu = cpuStopwatch()
      while (at < bytes.length) {
        const segment = bytes.subarray(at, at + SEGMENT_BYTES)
        const isLast = at + segment.length === bytes.length
        const { lengths } = await cutChunks(segment, { ...sizes, isLast, ...(digest === undefined ? {} : { digest }) })
        const cutBytes = lengths.reduce((sum, length) => sum + length, 0)
        if (cutBytes === 0 || lengths.some((length) => length > sizes.mostBytes)) throw new Error(`${name}: wrong chunks at ${at}`)
        at += cutBytes
        chunks += lengths.length
      }
      const seconds = cpu()
      if (at !== bytes.length) throw new Error(`${name}: chunks of ${at} bytes in all`)
      return { speed: bytes.length / 1e6 / seconds, 'mean chunk': bytes.length / chunks }
    },
  }
}

/** The result is compared with the twin's, which is another implementation. */
async function whole(bytes: Uint8Array): Promise<Contender> {
  const [native, twin] = await Promise.all([loadBlake3(), loadBlake3({ backend: 'js' })])
  const expected = twin.digest(bytes)
  return {
    name: 'whole, BLAKE3',
    ours: true,
    async run() {
      const cpu = cpuStopwatch()
      const stream = native.stream()
      for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) await stream.update(bytes.subarray(at, at + SEGMENT_BYTES))
      const digest = stream.digest()
      const seconds = cpu()
      if (Buffer.compare(digest, expected) !== 0) throw new Error('another digest than that of the twin')
      return { speed: bytes.length / 1e6 / seconds }
    },
  }
}

function hashed(algorithm: string, bytes: Uint8Array): Contender {
  return {
    name: `whole, ${algorithm} of OpenSSL`,
    ours: false,
    async run() {
      const cpu = cpuStopwatch()
      const digest = createHash(algorithm).update(bytes).digest()
      const seconds = cpu()
      if (digest.length < 32) throw new Error(`${algorithm}: a digest of ${digest.length} bytes`)
      return { speed: bytes.length / 1e6 / seconds }
    },
  }
}

function summed(program: string, files: WorkingFiles): Contender {
  return {
    name: `whole, ${program}`,
    ours: false,
    async run() {
      const { stdout, cpuSeconds } = await runProgram(program, [files.after])
      if (!/^[0-9a-f]{64} /.test(stdout)) throw new Error(`${program} printed ${stdout}`)
      return { speed: files.afterBytes / 1e6 / cpuSeconds }
    },
  }
}
