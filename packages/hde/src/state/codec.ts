import type { Clock, DecodeLimits, Digest, LinkId, Logger, StateCodec } from '@dwcp/interface'
import { silentLogger, systemClock } from '@dwcp/interface'
import { type PageImage, type PageRegion, tagPages } from '@dwcp/native-rdma/codec'
import { LiveChoice } from '../choice/live-choice.js'
import { PAGE_MODEL } from '../choice/weights.js'
import { type Kernels, loadKernels } from '../kernels.js'
import type { BaselineStore } from '../store/store.js'
import { BaselineArchive } from './archive.js'
import type { Candidate, Candidates } from './baseline-choice.js'
import { Baselines } from './baselines.js'
import { type PageDecoder, StateDecoder } from './decoder.js'
import { type PageEncoder, StateEncoder } from './encoder.js'
import { fits, fitsNumbers } from './fits.js'
import { layOut } from './layout.js'
import { DEFAULT_DECODE_LIMITS } from './limits.js'
import { type EncodingProfile, PROFILES, type Profile, withImage } from './profiles.js'
import { SIBLINGS_MAX } from './start-frame.js'

/**
 * How much work to do for a byte saved, and within which bounds.
 *
 * @public
 */
export interface CodecOptions {
  /**
   * Asked for each batch of pages, with the encoder's link, so that a transfer under way follows. Whether it keeps an image of what
   * the other side has is settled when it begins. @defaultValue always 'hybrid'
   */
  readonly profile?: (link: LinkId | undefined) => EncodingProfile
  /**
   * What the link is forecast to give to this traffic, asked for each batch of pages: `shareBytesPerSecond` of a `RateAdvisor`. Codec
   * and level then follow from what packing is predicted to cost, corrected by what it did cost; undefined or 0 leaves both to the
   * profile. @defaultValue the profile decides
   */
  readonly shareBytesPerSecond?: (link: LinkId | undefined) => number | undefined
  /** Most of the time that trying methods may add, 0 to 1, where the link is known; never in a last round. @defaultValue 0.01 */
  readonly explorationRatio?: number
  /** @defaultValue the system's */
  readonly clock?: Clock
  /** Bound of all kept baselines in memory together; the one of least value goes first. @defaultValue 1 GiB */
  readonly baselineBytes?: number
  /**
   * Baselines kept of one workload; the oldest goes first. Each migration makes one, and a workload that goes back needs the last.
   * @defaultValue 2
   */
  readonly baselinesPerWorkload?: number
  /**
   * Baselines of other workloads that are named, and looked into, for one that has none of its own in common, 16 at most: machines
   * made from one image have much in common. Who may send a workload here can then make it hold what such a baseline holds: not where workloads of
   * strangers share a node. @defaultValue 0
   */
  readonly siblingBaselines?: number
  /**
   * Keeps baselines beyond memory and this process: each is written there in the background, and read back where it is asked for and
   * no longer in memory; as many of one workload as in memory. The caller's, to be closed after the codec. @defaultValue none
   */
  readonly store?: BaselineStore
  /** What a decoder accepts, where it is not told otherwise. @defaultValue {@link DEFAULT_DECODE_LIMITS} */
  readonly limits?: DecodeLimits
  /** @defaultValue silent */
  readonly logger?: Logger
}

/**
 * Of `CodecOptions.baselineBytes`: the images of a few small workloads.
 *
 * @public
 */
export const DEFAULT_BASELINE_BYTES: number = 1024 ** 3

/**
 * {@link StateCodec}, whose encoders tell more in `stats`, and whose decoders write to memories.
 *
 * @public
 */
export interface PageCodec extends StateCodec, AsyncDisposable {
  encoder(options: Parameters<StateCodec['encoder']>[0]): PageEncoder
  decoder(options: Parameters<StateCodec['decoder']>[0]): PageDecoder
  /** Lets go of all baselines, and ends what is being written to `store`. */
  close(): Promise<void>
}

/**
 * Encoders and decoders for the state of workloads, and the baselines this node keeps of them.
 *
 * Every profile but 'datacenter' keeps an image of what the other side has: one copy of the memory on either side.
 *
 * @example
 * ```ts
 * import { createCodec } from '@dwcp/hde'
 * const regions = [{ pageBytes: 4096, lengthBytes: 4096, maxLengthBytes: 65536 }]
 * const [encoder, decoder] = [createCodec().encoder({ workload: 'w', regions }), createCodec().decoder({ workload: 'w', regions })]
 * const page = new Uint8Array(4096).fill(7)
 * for (const frame of await encoder.encode({ kind: 'pages', region: 0, pages: Uint32Array.of(0), bytes: page })) {
 *   console.log(frame.length, await decoder.decode(frame))
 * }
 * ```
 * @throws `ERR_HDE_LIMIT` from `encoder` and `decoder` for regions past what the format can describe; `RangeError` for options that cannot be.
 *
 * @public
 */
export function createCodec(options: CodecOptions = {}): PageCodec {
  return createCodecOn(loadKernels, options)
}

/** @internal As {@link createCodec}, on kernels given by the caller. */
export function createCodecOn(load: () => Promise<Kernels>, options: CodecOptions = {}): PageCodec {
  const {
    profile = () => 'hybrid' as const,
    baselineBytes = DEFAULT_BASELINE_BYTES,
    baselinesPerWorkload = 2,
    siblingBaselines = 0,
    limits = DEFAULT_DECODE_LIMITS,
    explorationRatio = 0.01,
    clock = systemClock,
    shareBytesPerSecond,
  } = options
  const logger = options.logger ?? silentLogger
  if (!(baselineBytes >= 0)) throw new RangeError(`baselineBytes is ${baselineBytes}: it must be 0 or more`)
  if (!(baselinesPerWorkload >= 0)) throw new RangeError(`baselinesPerWorkload is ${baselinesPerWorkload}: it must be 0 or more`)
  if (!(siblingBaselines >= 0)) throw new RangeError(`siblingBaselines is ${siblingBaselines}: it must be 0 or more`)
  if (!(explorationRatio >= 0 && explorationRatio <= 1)) throw new RangeError(`explorationRatio is ${explorationRatio}: it must be 0 to 1`)
  checkLimits(limits)
  const baselines = new Baselines(baselineBytes, baselinesPerWorkload, siblingBaselines)
  let loading: Promise<Kernels> | undefined
  const kernels = (): Promise<Kernels> => {
    loading ??= load().then((loaded) => announce(loaded, logger))
    return loading
  }
  const archive =
    options.store &&
    new BaselineArchive({ store: options.store, images: async () => (await kernels()).images, perWorkload: baselinesPerWorkload, logger })
  const active = (): void => archive?.defer()
  /** Into memory, where it is only in the store. */
  const fetch = async (workload: string, digest: Digest): Promise<void> => {
    if (archive === undefined || baselines.has(workload, digest)) return
    const image = await archive.load(workload, digest)
    if (image !== undefined && !baselines.keep(workload, digest, image)) image.close()
  }
  const ownOf = (workload: string): readonly Digest[] => [...new Set([...baselines.own(workload), ...(archive?.own(workload) ?? [])])]
  const close = async (): Promise<void> => {
    await archive?.close()
    baselines.close()
  }
  const keeper = (workload: string) => (digest: Digest, image: PageImage | undefined, whole: boolean) => {
    const kept = whole && image !== undefined && baselines.keep(workload, digest, image)
    if (kept) return archive?.save(workload, digest, image)
    image?.close()
    const why = !whole ? 'the stream did not end well' : image === undefined ? 'this profile keeps no image' : 'past baselineBytes'
    logger.debug({ workload, digest, why }, 'no baseline kept')
  }
  return {
    baselines: (workload) => [...new Set([...ownOf(workload), ...baselines.list(workload)])],
    encoder({ workload, regions, link, have = [] }) {
      const chosen = profileNamed(profile(link))
      const layout = layOut(regions)
      const candidates = async (): Promise<Candidates> => {
        const held = (digests: readonly Digest[]): readonly Candidate[] =>
          digests.flatMap((digest) => {
            const image = baselines.find(workload, digest)
            return image === undefined ? [] : [{ digest, image }]
          })
        // The first of its own: newest first on the other side.
        const common = have.filter((digest) => ownOf(workload).includes(digest))
        const [newest] = common
        if (newest !== undefined) await fetch(workload, newest)
        const own = held(common).find(({ image }) => fits(image, layout))
        const all = own === undefined ? siblingsThatFit(layout, held(have.slice(0, SIBLINGS_MAX))) : [own]
        const forks = all.map(({ digest, image }) => ({ digest, image: image.fork(image.regions) }))
        return { all: forks, own: own && forks[0] }
      }
      return new StateEncoder({
        kernels,
        active,
        profile: () => withImage(profileNamed(profile(link)), chosen.image),
        steering: shareBytesPerSecond && {
          choice: new LiveChoice({ model: PAGE_MODEL, explorationRatio, tagPages }),
          bytesPerSecond: () => shareBytesPerSecond(link),
          clock,
        },
        layout,
        hasImage: chosen.image,
        candidates,
        keep: keeper(workload),
      })
    },
    close,
    [Symbol.asyncDispose]: close,
    decoder({ workload, regions, limits: decoderLimits = limits }) {
      checkLimits(decoderLimits)
      return new StateDecoder({
        kernels,
        active,
        workload,
        layout: layOut(regions),
        limits: decoderLimits,
        findBaseline: (digest) => baselines.find(workload, digest),
        fetchBaseline: (digest) => fetch(workload, digest),
        baselines: () => baselines.list(workload),
        keep: keeper(workload),
      })
    },
  }
}

/** As many as pages can be counted through with: each is looked into. */
function siblingsThatFit(layout: readonly PageRegion[], siblings: readonly Candidate[]): readonly Candidate[] {
  const fitting: Candidate[] = []
  for (const sibling of siblings) {
    const images = [...fitting, sibling].map(({ image }) => image)
    if (fitsNumbers(layout, images)) fitting.push(sibling)
  }
  return fitting
}

function profileNamed(name: EncodingProfile): Profile {
  if (!Object.hasOwn(PROFILES, name)) throw new RangeError(`profile ${name}: it must be one of ${Object.keys(PROFILES).join(', ')}`)
  return PROFILES[name]
}

function checkLimits({ frameBytes, chunkBytes }: DecodeLimits): void {
  if (!(frameBytes > 0 && chunkBytes > 0)) throw new RangeError(`limits of ${frameBytes} and ${chunkBytes} bytes: both must be above 0`)
}

function announce(kernels: Kernels, logger: Logger): Kernels {
  logger.info({ ...kernels.backends }, 'codecs loaded')
  if (!kernels.zstdEncodes) logger.warn({ zstd: kernels.backends.zstd }, 'no zstd encoder here: LZ4 serves, frames are larger')
  return kernels
}
