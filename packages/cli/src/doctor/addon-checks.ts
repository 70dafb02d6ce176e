import { codecBackend, loadHash, socketBackend, streamBackend, trackDirtyPages } from '@dwcp/native-rdma'
import { type Examination, missing, ok, reasonOf, warning } from './check.js'

/** Node's types do not declare the engine's WebAssembly; this little of it is used. */
declare const WebAssembly: { readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer } }

const INSTALL = 'apt-get install build-essential python3, then npm start in the repository (or reinstall the package) builds the addon'
/** 64 KiB each. */
const TRIED_PAGES = 16

/** What the native kernels do here, and what does their work where they do not. */
export const addonChecks: readonly Examination[] = [
  {
    id: 'zstd',
    title: 'zstd',
    find: async () => {
      const { kind, reason, canEncode } = codecBackend().zstd
      if (kind === 'native') return ok(`native: ${reason}`)
      return canEncode
        ? warning(`JavaScript and Node’s zlib: ${reason}`, `slower; for the native one: ${INSTALL}, and libzstd1`)
        : missing(`it can decode but not encode: ${reason}`, `${INSTALL}, and libzstd1; or use Node 22.15 or later`)
    },
  },
  {
    id: 'lz4',
    title: 'LZ4',
    find: async () => {
      const { kind, reason } = codecBackend().lz4
      return kind === 'native'
        ? ok(`native: ${reason}`)
        : warning(`JavaScript: ${reason}`, `slower; for the native one: ${INSTALL}, and liblz4-1`)
    },
  },
  {
    id: 'xxh3',
    title: 'XXH3-128',
    find: async () => {
      const { kind, reason } = (await loadHash()).backend
      return kind === 'native'
        ? ok(`native: ${reason}`)
        : warning(`WebAssembly: ${reason}`, `slower; for the native one: ${INSTALL}, and libxxhash0`)
    },
  },
  {
    id: 'socket-options',
    title: 'socket options',
    find: async () => {
      const { kind, reason } = socketBackend()
      return kind === 'native'
        ? ok(`native: ${reason}`)
        : missing(reason, `no choice of congestion control, no pacing, no TCP_INFO; ${INSTALL}`)
    },
  },
  {
    id: 'sealed-streams',
    title: 'sealed streams',
    find: async () => {
      const { kind, reason } = streamBackend(true)
      return kind === 'native'
        ? ok(`native: ${reason}`)
        : warning(`node:crypto: ${reason}`, `slower, and on the thread of the application; for the native ones: ${INSTALL}`)
    },
  },
  {
    id: 'dirty-tracking',
    title: 'dirty pages',
    find: async () => tryTracking(),
  },
]

/** Writes one page of a small memory and looks whether exactly that one is reported. */
function tryTracking(): ReturnType<typeof ok> {
  const memory = new WebAssembly.Memory({ initial: TRIED_PAGES })
  try {
    const tracker = trackDirtyPages(() => memory.buffer, { backend: 'userfaultfd' })
    try {
      new Uint8Array(memory.buffer)[5 * 4096] = 1
      const found = [...tracker.collect()]
      if (found.length === 1 && found[0] === 5) return ok(`userfaultfd, tried: ${tracker.reason}`)
      return warning(
        `userfaultfd reported pages ${found.join(', ')} where page 5 was written`,
        'report this, with uname -a; dirtyTracking: compare avoids it',
      )
    } finally {
      tracker.close()
    }
  } catch (error) {
    return warning(
      `by comparing with a copy: ${reasonOf(error)}`,
      `slower and twice the memory; userfaultfd needs Linux 6.7 and the addon (${INSTALL})`,
    )
  }
}
