import type { FrameStreamOptions } from './stream-contract.js'
import { REKEY_BYTES, SECRET_BYTES, type StreamSecrets } from './stream-seal.js'

/** {@link FrameStreamOptions}, complete and checked. */
export interface StreamSettings {
  readonly bodyBytesMax: ReadonlyMap<number, number>
  readonly secrets: StreamSecrets | undefined
  readonly sendQueueBytes: number
  readonly receiveQueueBytes: number
  readonly rekeyBytes: number
}

const BODY_BYTES_MAX = 2 ** 30
/** Four chunks of 256 KiB: what the thread sends while the loop comes round. */
const SEND_QUEUE_BYTES = 2 ** 20
const RECEIVE_QUEUE_BYTES = 4 * 2 ** 20

/** @throws RangeError where an option is outside its range. */
export function streamSettings(options: FrameStreamOptions): StreamSettings {
  const { bodyBytesMax, secrets, sendQueueBytes = SEND_QUEUE_BYTES, receiveQueueBytes = RECEIVE_QUEUE_BYTES } = options
  for (const [type, bytes] of bodyBytesMax) {
    within('a type of frame', type, 0, 255)
    within(`bodyBytesMax of type ${type}`, bytes, 0, BODY_BYTES_MAX)
  }
  within('sendQueueBytes', sendQueueBytes, 1, Number.MAX_SAFE_INTEGER)
  within('receiveQueueBytes', receiveQueueBytes, 1, Number.MAX_SAFE_INTEGER)
  for (const secret of secrets ? [secrets.send, secrets.receive] : [])
    within('the length of a secret', secret.byteLength, SECRET_BYTES, SECRET_BYTES)
  return { bodyBytesMax, secrets, sendQueueBytes, receiveQueueBytes, rekeyBytes: options.rekeyBytes ?? REKEY_BYTES }
}

function within(what: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw new RangeError(`${what} must be a whole number from ${least} to ${most}, not ${value}`)
}
