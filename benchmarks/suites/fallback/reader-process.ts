// Decodes in a process of its own, because whether the addon serves is settled for a whole process. Times are of CPU, and of the second
// pass on: the first makes the code hot.
import { bytesBase, createCodec, createDeltaDecoder } from '@dwcp/hde'
import { codecBackend, zstdDecompress } from '@dwcp/native-rdma/codec'
import { loadHash } from '@dwcp/native-rdma/hash'
import { decompress } from 'fzstd'
import { answerParent } from '../../harness/process.js'
import { PAGE_BYTES } from '../encoding/page-sets.js'

/** The same object in every form. */
export interface FallbackData {
  readonly zstdFrames: readonly Uint8Array[]
  /** XXH3-128 of what each zstd frame holds. */
  readonly digests: readonly Uint8Array[]
  readonly pageFrames: readonly Uint8Array[]
  readonly stream: Uint8Array
  readonly base: Uint8Array
  readonly bytes: number
}

let data: FallbackData | undefined

function given(): FallbackData {
  if (data === undefined) throw new Error('nothing was given')
  return data
}

async function seconds(work: () => Promise<number>): Promise<number> {
  const started = process.cpuUsage()
  const bytes = await work()
  const { user, system } = process.cpuUsage(started)
  if (bytes !== given().bytes) throw new Error(`${bytes} bytes came out, not ${given().bytes}`)
  return (user + system) / 1e6
}

answerParent({
  async take(argument: FallbackData) {
    data = argument
    return codecBackend()
  },
  fzstd: () => seconds(async () => given().zstdFrames.reduce((sum, frame) => sum + decompress(frame).length, 0)),
  zstd: () =>
    seconds(async () => {
      const hash = await loadHash()
      let bytes = 0
      for (const [index, frame] of given().zstdFrames.entries()) {
        const content = await zstdDecompress(frame, { maxBytes: given().bytes })
        if (Buffer.compare(hash.xxh3_128(content), given().digests[index] ?? new Uint8Array()) !== 0) throw new Error('other bytes')
        bytes += content.length
      }
      return bytes
    }),
  pages: () =>
    seconds(async () => {
      const lengthBytes = given().bytes
      const decoder = createCodec().decoder({
        workload: 'w',
        regions: [{ pageBytes: PAGE_BYTES, lengthBytes, maxLengthBytes: lengthBytes }],
      })
      let bytes = 0
      for (const frame of given().pageFrames) {
        for (const chunk of await decoder.decode(frame)) if (chunk.kind === 'pages') bytes += chunk.bytes.length
      }
      decoder.close()
      return bytes
    }),
  delta: () =>
    seconds(async () => {
      let bytes = 0
      for await (const part of createDeltaDecoder().decode(given().stream, { base: bytesBase(given().base) })) bytes += part.length
      return bytes
    }),
})
