import type { NetworkMode } from '@dwcp/interface'
import { amstError } from './errors.js'

/**
 * What a session takes its path for. `'datacenter'`: the host's own congestion control, few streams. `'internet'`: BBR where the kernel has
 * it, the sum of the streams held to what the path delivers, and more of them. `'hybrid'` and `'auto'`: by the round trip of the path.
 */
export type SessionMode = NetworkMode | 'auto'

/** As numbered on the wire: where the ends do not say the same, the later one holds. */
const MODES: readonly SessionMode[] = ['auto', 'datacenter', 'hybrid', 'internet']

/** The mode of one session: what either end says, the same at both. */
export class AgreedMode {
  #own: SessionMode = 'auto'
  #peers: SessionMode = 'auto'

  get mode(): SessionMode {
    return MODES.indexOf(this.#own) > MODES.indexOf(this.#peers) ? this.#own : this.#peers
  }

  /**
   * @returns the frame's body that tells the peer; undefined where it knows.
   * @throws RangeError for what is no mode.
   */
  say(mode: SessionMode): Uint8Array | undefined {
    const code = MODES.indexOf(mode)
    if (code < 0) throw new RangeError(`mode must be one of ${MODES.join(', ')}, not ${mode}`)
    if (mode === this.#own) return undefined
    this.#own = mode
    return Uint8Array.of(code)
  }

  /** @throws `ERR_AMST_PROTOCOL` */
  hear(body: Uint8Array): void {
    const mode = body.byteLength === 1 ? MODES[body[0] ?? 0] : undefined
    if (mode === undefined) throw amstError('ERR_AMST_PROTOCOL', 'a frame names no mode')
    this.#peers = mode
  }
}

/** Whether a stream whose path is far, or is not, is to be one for wide-area paths. */
export const isWide = (mode: SessionMode, isFar: boolean): boolean => mode === 'internet' || (mode !== 'datacenter' && isFar)
