import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { codecBackend, zstdCompress } from './codec.ts'
import { deltaApply, deltaBackend, deltaMatch } from './delta.ts'
import { stoppable } from './stoppable.ts'

const signalOf = (controller: AbortController): { readonly signal: AbortSignal } => ({ signal: controller.signal })

describe('a job that is told to stop', () => {
  test('ends long before it would: this one takes a minute', { timeout: 10_000 }, async () => {
    if (codecBackend().zstd.kind === 'js') return expect(codecBackend().zstd.reason).not.toBe('')
    const controller = new AbortController()
    const work = zstdCompress(randomBytes(128 << 20), { level: 22, ...signalOf(controller) })
    setTimeout(() => controller.abort(new Error('enough')), 20)
    await expect(work).rejects.toThrow('enough')
  })

  test('gives no result, also where it had come to one', async () => {
    if (deltaBackend().kind === 'js') return expect(deltaBackend().reason).not.toBe('')
    const [target, base] = [randomBytes(24 << 20), randomBytes(24 << 20)]
    const controller = new AbortController()
    const work = deltaMatch(target, base, signalOf(controller))
    controller.abort(new Error('enough'))
    await expect(work).rejects.toThrow('enough')
    const streams = await deltaMatch(target, base)
    const late = new AbortController()
    const applied = deltaApply(streams, base, { lengthBytes: target.length, ...signalOf(late) })
    late.abort(new Error('late'))
    await expect(applied).rejects.toThrow('late')
  })

  test('does not begin where the signal was aborted before, whoever would do it', async () => {
    const aborted = { signal: AbortSignal.abort(new Error('before')) }
    const bytes = new Uint8Array(10)
    await expect(deltaMatch(bytes, bytes, aborted)).rejects.toThrow('before')
    await expect(zstdCompress(bytes, aborted)).rejects.toThrow('before')
  })

  test('leaves no listener behind, and its own failure as it is', async () => {
    const { signal } = new AbortController()
    const listeners: string[] = []
    signal.addEventListener = (type: string) => void listeners.push(type)
    signal.removeEventListener = (type: string) => void listeners.splice(listeners.indexOf(type), 1)
    await expect(stoppable(signal, () => Promise.reject(new Error('its own')))).rejects.toThrow('its own')
    expect(listeners).toEqual([])
  })
})
