import { DwcpError } from '@dwcp/interface'
import type { DeltaBase } from '../delta/base.js'
import type { BaselineSource } from '../delta/baselines.js'
import type { createDeltaDecoder } from '../delta/decoder.js'
import type { DeltaEncodeOptions, DeltaEncoder } from '../delta/encoder.js'
import { framed } from '../delta/format.js'
import { FrameReader } from '../delta/frame-reader.js'
import { deltaKernelsOnce } from '../delta/kernels.js'
import { corrupt, type HdeErrorCode } from '../errors.js'
import { checkPageSet, formerPages, type PageSet, pagesLength, readPagesHead, writePagesHead } from './page-set.js'

/** Of docs/wire/objects.md. */
export const PAGES_MAGIC: Uint8Array = new TextEncoder().encode('DWCPpage')
/** A run's two numbers in a head, and what comes before them. */
const RUN_BYTES = 10
const HEAD_BYTES = 256

/** A head with the numbers, then a delta stream of the bytes. `base` is lent. */
export async function* encodePageSet(
  delta: DeltaEncoder,
  set: PageSet,
  base: DeltaBase | undefined,
  { baseline, signal }: Pick<DeltaEncodeOptions, 'baseline' | 'signal'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  checkPageSet(set)
  const { hash } = await deltaKernelsOnce()
  const head = writePagesHead({ ...set, hasBase: base !== undefined, baseline: base === undefined ? undefined : baseline })
  yield new Uint8Array(Buffer.concat([PAGES_MAGIC, framed(new Uint8Array(), [head])]))
  const former = formerPages(base, set, hash.xxh3_128(head))
  yield* delta.encode(set.bytes, { base: former, ...(signal === undefined ? {} : { signal }) })
}

interface PageSource {
  readonly delta: ReturnType<typeof createDeltaDecoder>
  readonly mostPages: number
  readonly baselines: BaselineSource | undefined
  readonly base: DeltaBase | undefined
  readonly signal: AbortSignal | undefined
}

/** Whole pages, each verified. */
export async function* decodePageSet(
  frames: Uint8Array | AsyncIterable<Uint8Array>,
  { delta, mostPages, baselines, base: given, signal }: PageSource,
): AsyncGenerator<PageSet, void, undefined> {
  const { hash } = await deltaKernelsOnce()
  const source = new FrameReader(frames, mostPages * RUN_BYTES + HEAD_BYTES, signal)
  try {
    await source.magic(PAGES_MAGIC)
    const bytes = await source.frame()
    const head = readPagesHead(bytes, mostPages)
    const { baseline, hasBase, pageBytes, lengthBytes } = head
    await using kept = given === undefined && baseline !== undefined ? await baselines?.base(baseline) : undefined
    const base = hasBase ? (given ?? kept) : undefined
    if (hasBase && base === undefined) {
      const text = `the pages build on ${baseline ?? 'a base that their decoder is to be given'}, which is not here`
      throw new DwcpError<HdeErrorCode>('ERR_HDE_BASELINE_MISSING', text, { details: baseline === undefined ? {} : { baseline } })
    }
    const former = formerPages(base, head, hash.xxh3_128(bytes))
    let first = 0
    for await (const part of delta.decode(source.rest(), { base: former, ...(signal === undefined ? {} : { signal }) })) {
      const count = Math.ceil(part.length / pageBytes)
      if (first + count > head.pages.length || part.length !== pagesLength(head, first, count))
        throw corrupt('a block that is no whole pages')
      yield { pages: head.pages.slice(first, first + count), pageBytes, lengthBytes, bytes: part }
      first += count
    }
    if (first !== head.pages.length) throw corrupt(`${first} pages where ${head.pages.length} were declared`)
  } finally {
    await source.close()
  }
}
