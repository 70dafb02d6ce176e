import type { DwcpError } from '@dwcp/interface'
import type { Backend } from './backend.js'
import { type NativeErrorCode, streamError } from './errors.js'
import type { ReceivedStreamFrame, StreamFrame } from './stream-frame.js'
import type { StreamSecrets } from './stream-seal.js'

/**
 * How a {@link FrameStream} is opened.
 * @public
 */
export interface FrameStreamOptions {
  /** The longest body that is taken in, by type of frame (0 to 255, at most 1 GiB). A type that is not listed ends the stream. */
  readonly bodyBytesMax: ReadonlyMap<number, number>
  /** Seals both directions. The peer must have the other half: nothing is negotiated. @defaultValue none: digests, and anyone can forge */
  readonly secrets?: StreamSecrets
  /** Bytes of bodies that wait to be sent before `write` says no. @defaultValue 1 MiB */
  readonly sendQueueBytes?: number
  /** What is read ahead of who reads `frames`: each frame counts its body and 256 bytes. One frame may go past it. @defaultValue 4 MiB */
  readonly receiveQueueBytes?: number
  /** What was read from the socket already and belongs to the stream. @defaultValue nothing */
  readonly received?: Uint8Array
  /** Insists on one implementation. @defaultValue native where it can be used, else js */
  readonly backend?: 'native' | 'js'
  /** @internal Takes the next keys after so many bytes; both ends alike. */
  readonly rekeyBytes?: number
}

/**
 * One connection that carries frames in both directions, each verified before it is handed over.
 * @public
 */
export interface FrameStream extends AsyncDisposable {
  readonly backend: Backend
  /**
   * What came, in order, in batches; for one reader, and who leaves it destroys the stream. Ends when the peer ended the stream between
   * two frames, once what is queued here is sent, or when it was destroyed here: which does not say whether all was sent. That is for the
   * protocol above.
   * @throws `ERR_NATIVE_CORRUPT`, `ERR_NATIVE_TOO_LARGE`, `ERR_NATIVE_FORGED`, `ERR_NATIVE_PEER_LOST`, `ERR_NATIVE_OUT_OF_MEMORY`: the
   * stream is over. Frames that came whole before are handed over first.
   */
  readonly frames: AsyncIterable<readonly ReceivedStreamFrame[]>
  /** Of the connection, for the calls of `/socket`; undefined once it is over. Ask again for each use. */
  readonly descriptor: number | undefined
  readonly sentBytes: number
  readonly receivedBytes: number
  /** As in the options; may be changed, for what comes then. */
  sendQueueBytes: number
  /** Whether `sendQueueBytes` are not reached. */
  readonly writable: boolean
  /** Queues a frame; on a stream that is closed or over it is dropped. @returns {@link FrameStream.writable} */
  write(frame: StreamFrame): boolean
  /** When {@link FrameStream.writable} is true again, or the stream is over. */
  drained(): Promise<void>
  /** Sends what is queued and then the end, and waits until the peer has ended it too, or it is lost. Go on reading `frames` for that. */
  close(): Promise<void>
  /** At once; what is queued is dropped. */
  destroy(): void
}

/** As in native/stream_link.h. */
export const END = {
  open: 0,
  ended: 1,
  cutOff: 2,
  damagedHead: 3,
  refusedLength: 4,
  forged: 5,
  outOfMemory: 6,
  system: 7,
  closed: 8,
} as const

/** Why a stream is over; undefined for an orderly end. */
export function endError(end: number, cause: string): DwcpError<NativeErrorCode> | undefined {
  switch (end) {
    case END.open:
    case END.ended:
    case END.closed:
      return undefined
    case END.cutOff:
      return streamError('ERR_NATIVE_PEER_LOST', 'the peer ended the stream within a frame')
    case END.damagedHead:
      return streamError('ERR_NATIVE_CORRUPT', 'the head of a frame arrived damaged, or the peer does not speak this protocol')
    case END.refusedLength:
      return streamError('ERR_NATIVE_TOO_LARGE', 'a frame came of a type that is not expected, or longer than its type may be')
    case END.forged:
      return streamError('ERR_NATIVE_FORGED', 'a frame is not what the peer sealed as its next one')
    case END.outOfMemory:
      return streamError('ERR_NATIVE_OUT_OF_MEMORY', 'there is no memory for a frame, or the cipher refused')
    default:
      return streamError('ERR_NATIVE_PEER_LOST', `the connection was lost: ${cause}`)
  }
}
