import type { Digest, EncoderStats } from '@dwcp/interface'
import type { ChoiceStats } from '../choice/live-choice.js'
import { codecName, PAGE_DELTA } from '../packing.js'
import { OUTCOME_NAMES, type Outcome } from './outcomes.js'
import type { EncodingProfile } from './profiles.js'

/**
 * What an encoder of this package tells besides {@link EncoderStats}.
 *
 * @public
 */
export interface PageEncoderStats extends EncoderStats {
  readonly profile: EncodingProfile
  /** The baseline that the frames build on. */
  readonly baseline?: Digest
  /** Baselines of other workloads that pages are looked for in as well. */
  readonly siblings?: readonly Digest[]
  /** What was chosen by measured costs, and why; absent without `CodecOptions.shareBytesPerSecond`. */
  readonly choice?: ChoiceStats
  /** Which backend serves, and why; absent before the first call. `zstd` says so where LZ4 stands in for it. */
  readonly backends?: Readonly<Record<'zstd' | 'lz4' | 'hash' | 'pages', string>>
}

/** Counts what an encoder does. */
export class Tally {
  rawBytes = 0
  wireBytes = 0
  readonly #pages: Record<Outcome, number> = { zero: 0, unchanged: 0, duplicate: 0, delta: 0, full: 0 }
  readonly #payloadBytes = { raw: 0, lz4: 0, zstd: 0, delta: 0 }

  outcomes(codes: Uint8Array): void {
    for (const code of codes) this.#pages[OUTCOME_NAMES[code] ?? 'full'] += 1
  }

  payload(method: number, bytes: number): void {
    this.#payloadBytes[method === PAGE_DELTA ? 'delta' : codecName(method)] += bytes
  }

  stats(): EncoderStats {
    return { rawBytes: this.rawBytes, wireBytes: this.wireBytes, pages: { ...this.#pages }, payloadBytes: { ...this.#payloadBytes } }
  }
}
