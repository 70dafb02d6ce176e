import type { FileHandle } from 'node:fs/promises'
import { finished, type Writable } from 'node:stream'
import { asError } from './errors.js'
import { Draft, draftPath, writeAll } from './file-draft.js'

/**
 * Takes bytes where they belong. What it resolves after is stored as far as it can tell; until then the bytes are lent to it, and not longer.
 *
 * @public
 */
export interface RangeSink {
  write(offset: number, bytes: Uint8Array): Promise<void> | void
}

/**
 * Where an object goes: a path, an open file (from its position 0 on, neither cut nor closed), a Node stream (ended when whole,
 * destroyed when not), or anything that takes ranges, in any order.
 *
 * @public
 */
export type Sink = string | FileHandle | Writable | RangeSink

/** A sink that is being written to. After either end of it nothing more happens. */
export interface OpenSink {
  /** Whether what comes may be written in any order. */
  readonly takesBlocks: boolean
  write(offset: number, bytes: Uint8Array): Promise<void> | void
  /** All bytes came and are verified. */
  commit(): Promise<void>
  abandon(reason: unknown): Promise<void>
}

export async function openSink(sink: Sink, mode: number): Promise<OpenSink> {
  if (typeof sink === 'string') return Draft.open(draftPath(sink), sink, mode)
  if ('datasync' in sink) {
    return {
      takesBlocks: true,
      write: (offset, bytes) => writeAll(sink, offset, bytes),
      commit: () => sink.datasync(),
      abandon: async () => undefined,
    }
  }
  if ('writableEnded' in sink) return streamSink(sink)
  return {
    takesBlocks: true,
    write: (offset, bytes) => sink.write(offset, bytes),
    commit: async () => undefined,
    abandon: async () => undefined,
  }
}

function streamSink(stream: Writable): OpenSink {
  // What the stream emits is also what its callbacks get; unheard, it would end the process.
  stream.on('error', () => undefined)
  return {
    takesBlocks: false,
    write: (_offset, bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(error) : resolve()))
      }),
    commit: () =>
      new Promise((resolve, reject) => {
        finished(stream, { readable: false }, (error) => (error ? reject(error) : resolve()))
        stream.end()
      }),
    abandon: async (reason) => {
      stream.destroy(asError(reason))
    },
  }
}
