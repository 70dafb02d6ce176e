import type { Digest } from '@dwcp/interface'
import type { DeltaBase } from './base.js'

/**
 * Where bases are found by their digests: a `BaselineStore` is one.
 *
 * @public
 */
export interface BaselineSource {
  /** The content under `digest`, to be disposed of after use; undefined where it is not held. */
  base(digest: Digest): Promise<DeltaBase | undefined>
}
