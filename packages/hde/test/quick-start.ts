import { createCodec } from '../src/index.ts'

const [source, target] = [createCodec(), createCodec({ baselineBytes: 256 * 1024 ** 2 })]
const job = { workload: 'w1', regions: [{ pageBytes: 4096, lengthBytes: 8192, maxLengthBytes: 65_536 }] }
const encoder = source.encoder({ ...job, have: target.baselines('w1') })
const decoder = target.decoder(job)
const bytes = new Uint8Array(8192).fill(7, 4096)
for (const frame of await encoder.encode({ kind: 'pages', region: 0, pages: Uint32Array.of(0, 1), bytes })) {
  for (const chunk of await decoder.decode(frame)) if (chunk.kind === 'pages') process.stdout.write(`pages ${chunk.pages.join()}\n`)
}
process.stdout.write(`${encoder.stats().rawBytes} bytes became ${encoder.stats().wireBytes}\n`)
for (const side of [encoder, decoder]) side.close('sha-256:00ff')
