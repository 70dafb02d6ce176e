import { readFile } from 'node:fs/promises'
import { nodeDocuments } from '../corpora/node-documents.js'
import { entropyBitsPerByte } from '../harness/data.js'
import type { Case, Contender, Metric, Suite } from '../harness/suite.js'
import { documentsOf } from './delta/document-batches.js'
import {
  type Batch,
  columns,
  columnsWithDictionary,
  joined,
  lz4,
  type Method,
  zstdAlone,
  zstdFromFormers,
  zstdWithDictionary,
} from './documents/methods.js'
import { cpuStopwatch } from './encoding/page-transfer.js'

/** Of the earlier version: what dictionaries are made of. The documents that are sent are others. */
const SAMPLES = 1000
const FULL_BATCHED = 4096
const FULL_SINGLE = 1000
const SHORT_DOCUMENTS = 128
const CONDITIONS = [
  'everything inside one process, on documents in memory; JSON is parsed and written in the times of hde',
  `dictionaries are of at most 16 KiB, made of ${SAMPLES} documents of the earlier version that are not sent; their own bytes, which a peer is sent once, are not counted`,
  'zstd and LZ4 take a batch as lines; all zstd figures are of libzstd in the addon, one frame for each batch, without the number of the dictionary',
  'whole file: all documents as one zstd frame, which nobody could read before the last has come',
]

type Limits = NonNullable<Metric['limits']>

/** Somewhat above what was measured (docs/benchmarks.md): other releases of libzstd give other bytes. */
const KNOWN_LIMITS: Limits = { hde: { 'zstd -19, former versions': 0.7 } }
const NEW_LIMITS: Limits = { 'hde, dictionary': { 'zstd -19, dictionary': 0.85 } }

const metrics = (limits: Limits): readonly Metric[] => [
  { name: 'each document', unit: 'B', better: 'lower', exact: true, limits },
  { name: 'encode', unit: 'documents/CPU-s', better: 'higher', exact: false },
  { name: 'encode bytes', unit: 'MB/CPU-s', better: 'higher', exact: false },
  { name: 'decode', unit: 'documents/CPU-s', better: 'higher', exact: false },
  { name: 'decode bytes', unit: 'MB/CPU-s', better: 'higher', exact: false },
]

interface Sent {
  readonly name: string
  readonly batchDocuments: number
  readonly isKnown: boolean
  methods(samples: readonly Uint8Array[]): Promise<readonly Method[]>
  readonly isWholeToo?: true
}

const CASES: readonly Sent[] = [
  {
    name: 'batches of 64, former versions known',
    batchDocuments: 64,
    isKnown: true,
    methods: async () => [columns, zstdFromFormers(3), zstdFromFormers(19), lz4],
    isWholeToo: true,
  },
  { name: 'batches of 64, new', batchDocuments: 64, isKnown: false, methods: forNew, isWholeToo: true },
  {
    name: 'one by one, former version known',
    batchDocuments: 1,
    isKnown: true,
    methods: async () => [columns, zstdFromFormers(3), zstdFromFormers(19)],
  },
  { name: 'one by one, new', batchDocuments: 1, isKnown: false, methods: forNew },
]

async function forNew(samples: readonly Uint8Array[]): Promise<readonly Method[]> {
  const withDictionaries = [
    await columnsWithDictionary(samples),
    await zstdWithDictionary(samples, 3),
    await zstdWithDictionary(samples, 19),
  ]
  return [columns, ...withDictionaries, zstdAlone(3), lz4]
}

export const suite: Suite = {
  name: 'documents',
  purpose: 'Bytes and speed of small JSON documents, in batches and one by one, with former versions, with dictionaries and with nothing.',
  tools: ['zstd'],
  async cases(context) {
    for (const condition of CONDITIONS) context.note(condition)
    return CASES.map(caseOf)
  },
}

function caseOf(sent: Sent): Case {
  const { name, batchDocuments, isKnown } = sent
  return {
    name,
    metrics: metrics(isKnown ? KNOWN_LIMITS : NEW_LIMITS),
    async open({ short }) {
      const { before = '', after, kind } = await nodeDocuments('lines')
      const [older, newer] = [documentsOf(await readFile(before)), documentsOf(await readFile(after))]
      const end = SAMPLES + (short ? SHORT_DOCUMENTS : batchDocuments === 1 ? FULL_SINGLE : FULL_BATCHED)
      const batches: Batch[] = []
      for (let from = SAMPLES; from < end; from += batchDocuments) {
        const documents = newer.slice(from, from + batchDocuments)
        batches.push({ documents, formers: documents.map((_, index) => (isKnown ? older[from + index] : undefined)) })
      }
      const bytes = joined(newer.slice(SAMPLES, end))
      const contenders = (await sent.methods(older.slice(0, SAMPLES))).map((method) => contender(method, batches, bytes.length))
      if (sent.isWholeToo) {
        const whole = { documents: newer.slice(SAMPLES, end), formers: [] }
        contenders.push({ ...contender(zstdAlone(19), [whole], bytes.length), name: 'zstd -19, whole file' })
      }
      const data = {
        kind: `${kind}, of which ${end - SAMPLES} are sent`,
        bytes: bytes.length,
        entropyBitsPerByte: entropyBitsPerByte(bytes),
      }
      return { data, contenders, [Symbol.asyncDispose]: async () => undefined }
    },
  }
}

function contender(method: Method, batches: readonly Batch[], bytes: number): Contender {
  const run: Contender['run'] = async () => {
    const count = batches.reduce((sum, { documents }) => sum + documents.length, 0)
    const encodeCpu = cpuStopwatch()
    const frames: Uint8Array[] = []
    for (const batch of batches) frames.push(await method.encode(batch))
    const encodeSeconds = encodeCpu()
    const decodeCpu = cpuStopwatch()
    const decoded: Uint8Array[] = []
    for (const [index, batch] of batches.entries()) decoded.push(await method.decode(frames[index] ?? new Uint8Array(), batch))
    const decodeSeconds = decodeCpu()
    for (const [index, { documents }] of batches.entries()) {
      if (Buffer.compare(decoded[index] ?? new Uint8Array(), joined(documents)) !== 0)
        throw new Error(`${method.name}: batch ${index} came back as another`)
    }
    return {
      'each document': frames.reduce((sum, frame) => sum + frame.length, 0) / count,
      encode: count / encodeSeconds,
      'encode bytes': bytes / 1e6 / encodeSeconds,
      decode: count / decodeSeconds,
      'decode bytes': bytes / 1e6 / decodeSeconds,
    }
  }
  return { name: method.name, ours: method.ours, run }
}
