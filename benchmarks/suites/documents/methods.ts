import { createDictionaryStore, decodeDocumentBytes, encodeDocumentBytes } from '@dwcp/hde'
import {
  lz4Compress,
  lz4Decompress,
  zstdCompress,
  zstdCompressWith,
  zstdDecompress,
  zstdDecompressWith,
  zstdTrain,
} from '@dwcp/native-rdma'

/** Some documents, and their former versions where both sides have them. */
export interface Batch {
  readonly documents: readonly Uint8Array[]
  readonly formers: readonly (Uint8Array | undefined)[]
}

/** A way to send batches, each on its own; `decode` gives what `joined` gives of the documents. */
export interface Method {
  readonly name: string
  readonly ours: boolean
  encode(batch: Batch): Promise<Uint8Array>
  decode(bytes: Uint8Array, batch: Batch): Promise<Uint8Array>
}

const KIND = 'node'
const FORM = { form: 'json' } as const
const DICTIONARY_BYTES = 16 << 10

/** As lines. */
export function joined(documents: readonly (Uint8Array | undefined)[]): Uint8Array {
  return Buffer.from(documents.map((document) => (document === undefined ? '' : `${Buffer.from(document).toString()}\n`)).join(''))
}

export const columns: Method = {
  name: 'hde',
  ours: true,
  encode: ({ documents, formers }) => encodeDocumentBytes(documents, formers, FORM),
  decode: async (bytes, { formers }) => joined(await decodeDocumentBytes(bytes, formers, FORM)),
}

/** Both sides have a dictionary of documents like these. */
export async function columnsWithDictionary(samples: readonly Uint8Array[]): Promise<Method> {
  const dictionaries = createDictionaryStore({ dictionaryBytes: DICTIONARY_BYTES, trainAfterObjects: Number.MAX_SAFE_INTEGER })
  for (const sample of samples) dictionaries.sample(KIND, 'json', () => sample)
  await dictionaries.train(KIND)
  if (dictionaries.current(KIND) === undefined) throw new Error('no dictionary was better than none')
  const options = { ...FORM, dictionaries, kind: KIND }
  return {
    name: 'hde, dictionary',
    ours: true,
    encode: ({ documents, formers }) => encodeDocumentBytes(documents, formers, options),
    decode: async (bytes, { formers }) => joined(await decodeDocumentBytes(bytes, formers, options)),
  }
}

export async function zstdWithDictionary(samples: readonly Uint8Array[], level: number): Promise<Method> {
  const dictionary = await zstdTrain(samples, { dictionaryBytes: DICTIONARY_BYTES })
  return {
    name: `zstd -${level}, dictionary`,
    ours: false,
    encode: ({ documents }) => zstdCompressWith(joined(documents), dictionary, { level }),
    decode: (bytes, { documents }) => zstdDecompressWith(bytes, dictionary, { maxBytes: joined(documents).length }),
  }
}

/** What the zstd program does with --patch-from. */
export function zstdFromFormers(level: number): Method {
  return {
    name: `zstd -${level}, former versions`,
    ours: false,
    encode: ({ documents, formers }) => zstdCompress(joined(documents), { level, prefix: joined(formers) }),
    decode: (bytes, { documents, formers }) => zstdDecompress(bytes, { maxBytes: joined(documents).length, prefix: joined(formers) }),
  }
}

export function zstdAlone(level: number): Method {
  return {
    name: `zstd -${level}`,
    ours: false,
    encode: ({ documents }) => zstdCompress(joined(documents), { level }),
    decode: (bytes, { documents }) => zstdDecompress(bytes, { maxBytes: joined(documents).length }),
  }
}

export const lz4: Method = {
  name: 'LZ4',
  ours: false,
  encode: ({ documents }) => lz4Compress(joined(documents)),
  decode: (bytes, { documents }) => lz4Decompress(bytes, { lengthBytes: joined(documents).length }),
}
