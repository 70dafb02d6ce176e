import { decodeDocumentBytes, encodeDocumentBytes } from '@dwcp/hde'
import { cpuStopwatch } from '../encoding/page-transfer.js'

export const BATCH_DOCUMENTS = 64
const FORM = { form: 'json' } as const
const NEWLINE = 10

/** What all batches of one version took. Seconds are of CPU time, the parsing and writing of the texts in them. */
export interface BatchesCost {
  readonly wireBytes: number
  readonly encodeSeconds: number
  readonly decodeSeconds: number
}

/** JSON lines as batches of documents, each with its former version where there is one; what comes back is compared byte by byte. */
export async function encodeInBatches(version: Uint8Array, before: Uint8Array | undefined): Promise<BatchesCost> {
  const [newer, older] = [documentsOf(version), before === undefined ? [] : documentsOf(before)]
  let [wireBytes, encodeSeconds, decodeSeconds] = [0, 0, 0]
  for (let from = 0; from < newer.length; from += BATCH_DOCUMENTS) {
    const batch = newer.slice(from, from + BATCH_DOCUMENTS)
    const former = batch.map((_, index) => older[from + index])
    const encodeCpu = cpuStopwatch()
    const bytes = await encodeDocumentBytes(batch, former, FORM)
    encodeSeconds += encodeCpu()
    wireBytes += bytes.length
    const decodeCpu = cpuStopwatch()
    const decoded = await decodeDocumentBytes(bytes, former, FORM)
    decodeSeconds += decodeCpu()
    for (const [index, document] of batch.entries()) {
      if (Buffer.compare(decoded[index] ?? new Uint8Array(), document) !== 0)
        throw new Error(`document ${from + index} came back as another`)
    }
  }
  return { wireBytes, encodeSeconds, decodeSeconds }
}

/** One document a line. */
export function documentsOf(lines: Uint8Array): readonly Uint8Array[] {
  const documents: Uint8Array[] = []
  for (let from = 0; from < lines.length; ) {
    const found = lines.indexOf(NEWLINE, from)
    const end = found < 0 ? lines.length : found
    documents.push(lines.subarray(from, end))
    from = end + 1
  }
  return documents
}
