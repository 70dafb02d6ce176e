import type { NetworkMode } from '@dwcp/interface'

/** How much work an encoder does for each byte saved. `v1` is the plain baseline of benchmarks and of a roll-back. */
export type EncodingProfile = NetworkMode | 'v1'

export interface Profile {
  readonly name: EncodingProfile
  /** Whether both sides keep an image of what was sent: one copy of the memory each. */
  readonly image: boolean
  readonly zeros: boolean
  readonly duplicates: boolean
  /** Whether changed pages are described by their old content. */
  readonly delta: boolean
  /** `lz4-if-worth-it` asks a sample first. */
  readonly codec: 'lz4-if-worth-it' | 'zstd'
  readonly levelFull: number
  /**
   * At least 3 where old pages are the prefix: the windows of levels 1 and 2 are shorter than the distance from a page to
   * its old content in a batch of 1 MiB.
   */
  readonly levelDelta: number
}

export const PROFILES: Readonly<Record<EncodingProfile, Profile>> = {
  // A link of this kind outruns zstd on one core: only what costs less than sending.
  datacenter: {
    name: 'datacenter',
    image: false,
    zeros: true,
    duplicates: false,
    delta: false,
    codec: 'lz4-if-worth-it',
    levelFull: 0,
    levelDelta: 0,
  },
  hybrid: { name: 'hybrid', image: true, zeros: true, duplicates: true, delta: true, codec: 'zstd', levelFull: 1, levelDelta: 3 },
  // Below 0.9 Gbit/s a core at level 6 still keeps up with most links.
  internet: { name: 'internet', image: true, zeros: true, duplicates: true, delta: true, codec: 'zstd', levelFull: 6, levelDelta: 6 },
  v1: { name: 'v1', image: true, zeros: false, duplicates: false, delta: false, codec: 'zstd', levelFull: 3, levelDelta: 3 },
}
