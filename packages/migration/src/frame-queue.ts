/**
 * A bounded queue between what makes frames and the transport that sends them, so that encoding goes on while bytes are
 * under way and stops when they are not taken.
 */
export interface FrameQueue extends AsyncIterable<Uint8Array> {
  /** Resolves when there is room for more. Rejects once the queue has failed or its reader has left. */
  push(frame: Uint8Array): Promise<void>
  end(): void
  fail(error: unknown): void
  readonly pushedBytes: number
}

export function createFrameQueue(maxBytes: number): FrameQueue {
  const frames: Uint8Array[] = []
  let queuedBytes = 0
  let pushedBytes = 0
  let ended = false
  const failures: unknown[] = []
  let wakeReader: (() => void) | undefined
  let wakeWriter: (() => void) | undefined
  const wake = (): void => {
    wakeReader?.()
    wakeWriter?.()
  }
  const fail = (error: unknown): void => {
    failures.push(error)
    wake()
  }
  return {
    get pushedBytes() {
      return pushedBytes
    },
    async push(frame) {
      if (failures.length > 0) throw failures[0]
      frames.push(frame)
      queuedBytes += frame.length
      pushedBytes += frame.length
      wakeReader?.()
      while (queuedBytes > maxBytes && failures.length === 0) await new Promise<void>((resolve) => (wakeWriter = resolve))
      if (failures.length > 0) throw failures[0]
    },
    end() {
      ended = true
      wake()
    },
    fail,
    async *[Symbol.asyncIterator]() {
      try {
        // Until the end or a failure, at the pace of its reader.
        for (;;) {
          if (failures.length > 0) throw failures[0]
          const frame = frames.shift()
          if (frame !== undefined) {
            queuedBytes -= frame.length
            wakeWriter?.()
            yield frame
          } else if (ended) return
          else await new Promise<void>((resolve) => (wakeReader = resolve))
        }
      } finally {
        fail(new DOMException('the transport stopped reading', 'AbortError'))
      }
    },
  }
}
