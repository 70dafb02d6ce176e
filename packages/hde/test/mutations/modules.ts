import type * as Codec from '@dwcp/native-rdma/codec'
import type * as Delta from '@dwcp/native-rdma/delta'
import { vi } from 'vitest'
import type * as Hde from '../../src/index.ts'

/** The packages loaded anew on one backend; errors of both are recognised by their brand. */
export interface Modules {
  readonly backend: 'native' | 'js'
  readonly hde: typeof Hde
  readonly codec: typeof Codec
  readonly delta: typeof Delta
}

/** Which backend serves is settled by the first use, in a process or here after modules were reset. */
export async function modulesOn(backend: 'native' | 'js'): Promise<Modules> {
  vi.resetModules()
  vi.stubEnv('DWCP_NATIVE', backend === 'js' ? 'off' : '')
  const hde = await import('../../src/index.ts')
  const codec = await import('@dwcp/native-rdma/codec')
  const delta = await import('@dwcp/native-rdma/delta')
  const { kind } = delta.deltaBackend()
  if (kind !== backend)
    process.stderr.write(`MUTATIONS OF ${backend.toUpperCase()} DECODERS RUN ON ${kind}: ${delta.deltaBackend().reason}\n`)
  return { backend, hde, codec, delta }
}
