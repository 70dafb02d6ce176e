import type { NetworkMode } from '@dwcp/interface'

/**
 * How much work an encoder does for each byte saved. `v1` is the plain baseline of benchmarks and of a roll-back: whole blocks
 * that differ from what the peer has, zstd level 3.
 *
 * @public
 */
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
  /** Of page deltas. Measured on pairs of two guests: level 3 takes 1-7 % fewer bytes than 1 and half as much time again. */
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
  hybrid: { name: 'hybrid', image: true, zeros: true, duplicates: true, delta: true, codec: 'zstd', levelFull: 1, levelDelta: 1 },
  // A pre-copy converges only where the encoder keeps up with the link, on a core that the workload may be using too.
  internet: { name: 'internet', image: true, zeros: true, duplicates: true, delta: true, codec: 'zstd', levelFull: 3, levelDelta: 3 },
  v1: { name: 'v1', image: true, zeros: false, duplicates: false, delta: false, codec: 'zstd', levelFull: 3, levelDelta: 3 },
}

/** The profile as it can be followed in a stream that began with or without an image. */
export function withImage(profile: Profile, image: boolean): Profile {
  return profile.image === image ? profile : { ...profile, image, duplicates: profile.duplicates && image, delta: profile.delta && image }
}
