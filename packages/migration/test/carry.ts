import type { Digest, ExportControl, Grant, StateChunk } from '@dwcp/interface'
import type { WasmDriver, WasmWorkload } from '../src/index.ts'

export function grantFor(workload: string, epoch = 1): Grant {
  return { workload, epoch, owner: 'here', active: true }
}

export interface Carried {
  readonly chunks: readonly StateChunk[]
  readonly digest: Digest
  readonly rounds: number
}

/** An engine without an engine: steers an export to its end after `rounds` passes. */
export async function exportAll(workload: WasmWorkload, rounds = 1): Promise<Carried> {
  const stop = new AbortController()
  const chunks: StateChunk[] = []
  let seen = 0
  if (rounds === 0) stop.abort()
  for await (const chunk of workload.export(controlOf(stop))) {
    chunks.push(kept(chunk))
    if (chunk.kind === 'round' && ++seen >= rounds) stop.abort()
  }
  const last = chunks.at(-1)
  if (last?.kind !== 'final') throw new Error('the export has no end')
  return { chunks, digest: last.digest, rounds: seen }
}

export function controlOf(stop: AbortController, signal: AbortSignal = new AbortController().signal, throttleRatio = 0): ExportControl {
  return { steering: { bytesPerSecond: Number.POSITIVE_INFINITY, downtimeMs: 100, throttleRatio }, stop: stop.signal, signal }
}

/** A chunk to keep: the bytes of pages are lent for a while only. */
export function kept(chunk: StateChunk): StateChunk {
  return chunk.kind === 'pages' ? { ...chunk, bytes: chunk.bytes.slice() } : chunk
}

export async function* streamOf(chunks: readonly StateChunk[]): AsyncIterable<StateChunk> {
  yield* chunks
}

/** Moves a workload to `driver` and releases it here. Throws where the digests differ. */
export async function move(workload: WasmWorkload, driver: WasmDriver, rounds = 1): Promise<WasmWorkload> {
  const target = driver.target()
  await target.prepare(await workload.describe())
  const carried = await exportAll(workload, rounds)
  const digest = await target.import(streamOf(carried.chunks))
  if (digest !== carried.digest) throw new Error(`the target has ${digest}, the source sent ${carried.digest}`)
  const arrived = await target.start(grantFor(workload.id))
  await workload.release(grantFor(workload.id, 2))
  return arrived
}
