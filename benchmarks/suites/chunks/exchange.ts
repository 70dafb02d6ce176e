import { type BaselineStore, type ChunkMode, createChunkDecoder, createChunkEncoder } from '@dwcp/hde'
import { cpuStopwatch } from '../encoding/page-transfer.js'

/** What asking for an object, and then sending it, took. */
export interface Exchange {
  readonly rounds: number
  readonly askedBytes: number
  readonly answeredBytes: number
  readonly missingBytes: number
  /** Of the side that sends: cutting, hashing and asking. */
  readonly askSeconds: number
  readonly answerSeconds: number
}

export interface Transfer extends Exchange {
  readonly streamBytes: number
  readonly sendSeconds: number
  readonly putTogetherSeconds: number
}

const NAME = 'a version'

export async function keptAs(store: BaselineStore, object: Uint8Array, mode: ChunkMode): Promise<void> {
  await store.put(object, { name: NAME, chunks: mode })
}

/** Asks the other side, and throws away what it says. */
export async function ask(object: Uint8Array, store: BaselineStore, mode: ChunkMode): Promise<Exchange> {
  await using sides = await asking(object, store, mode)
  return sides.exchange
}

/** Asks and sends; throws where other bytes arrive. */
export async function transfer(object: Uint8Array, store: BaselineStore, mode: ChunkMode): Promise<Transfer> {
  await using sides = await asking(object, store, mode)
  const { encoder, decoder, have, exchange } = sides
  const sending = cpuStopwatch()
  const frames: Uint8Array[] = []
  for await (const frame of encoder.encode(object, { have })) frames.push(frame)
  const sendSeconds = sending()
  const stream = Buffer.concat(frames)
  const arrived = new Uint8Array(object.length).fill(1)
  let at = 0
  const puttingTogether = cpuStopwatch()
  for await (const part of decoder.decode(stream)) {
    arrived.set(part, at)
    at += part.length
  }
  const putTogetherSeconds = puttingTogether()
  if (at !== object.length || Buffer.compare(arrived, object) !== 0) throw new Error('what was decoded is not what was encoded')
  return { ...exchange, streamBytes: stream.length, sendSeconds, putTogetherSeconds }
}

interface Asking extends AsyncDisposable {
  readonly encoder: ReturnType<typeof createChunkEncoder>
  readonly decoder: ReturnType<typeof createChunkDecoder>
  readonly have: Awaited<ReturnType<ReturnType<typeof createChunkEncoder>['have']>>
  readonly exchange: Exchange
}

async function asking(object: Uint8Array, store: BaselineStore, mode: ChunkMode): Promise<Asking> {
  const encoder = createChunkEncoder({ chunks: mode })
  const decoder = createChunkDecoder({ store, name: NAME })
  let [rounds, answerSeconds] = [0, 0]
  const all = cpuStopwatch()
  const have = await encoder.have(object, async (question) => {
    const answering = cpuStopwatch()
    const answer = await decoder.answer(question)
    answerSeconds += answering()
    rounds += 1
    return answer
  })
  const { askedBytes, answeredBytes, missingBytes } = have
  const exchange = { rounds, askedBytes, answeredBytes, missingBytes, askSeconds: all() - answerSeconds, answerSeconds }
  return { encoder, decoder, have, exchange, [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose]() }
}
