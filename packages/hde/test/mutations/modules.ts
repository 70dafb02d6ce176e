import * as zlib from 'node:zlib'
import type * as Codec from '@dwcp/native-rdma/codec'
import type * as Delta from '@dwcp/native-rdma/delta'
import { vi } from 'vitest'
import type * as Hde from '../../src/index.ts'
import type * as DiskStore from '../../src/store/disk-store.ts'

/** The addon; the twins with Node's own zstd, where it has one; the twins alone. */
export type Backend = 'native' | 'zlib' | 'js'

export const BACKENDS: readonly Backend[] = ['native', ...('zstdCompress' in zlib ? (['zlib'] as const) : []), 'js']

/** The packages loaded anew on one backend; errors of both are recognised by their brand. */
export interface Modules {
  readonly backend: Backend
  readonly hde: typeof Hde
  readonly codec: typeof Codec
  readonly delta: typeof Delta
  readonly diskStore: typeof DiskStore
}

/** Which backend serves is settled by the first use, in a process or here after modules were reset. */
export async function modulesOn(backend: Backend): Promise<Modules> {
  vi.resetModules()
  vi.stubEnv('DWCP_NATIVE', backend === 'native' ? '' : 'off')
  if (backend === 'js') vi.doMock('node:zlib', () => ({}))
  else vi.doUnmock('node:zlib')
  const hde = await import('../../src/index.ts')
  const diskStore = await import('../../src/store/disk-store.ts')
  const codec = await import('@dwcp/native-rdma/codec')
  const delta = await import('@dwcp/native-rdma/delta')
  const { kind, reason } = delta.deltaBackend()
  if (kind !== (backend === 'native' ? 'native' : 'js')) {
    // A host that cannot build the addon still tests the twins against themselves; CI must have it.
    if (process.env['CI'] === 'true') throw new Error(`no ${backend} backend here: ${reason}`)
    process.stderr.write(`TESTS OF THE ${backend.toUpperCase()} BACKEND RUN ON ${kind}: ${reason}\n`)
  } else if (codec.codecBackend().zstd.canEncode !== (backend !== 'js'))
    throw new Error(`the ${backend} backend is not what it is meant to be`)
  return { backend, hde, codec, delta, diskStore }
}
