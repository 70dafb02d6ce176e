import { clusterLog } from './cluster-log.js'
import { diskPair } from './disk.js'
import { guestPair } from './guest-memory.js'
import { compressedDebian, compressedNpm, randomData, webAssembly } from './incompressible.js'
import { nodeDocuments } from './node-documents.js'
import { debianRelease, npmRelease } from './releases.js'

/** Two versions of something in files; without `before`, the first copy of it. */
export interface BuiltPair {
  readonly before?: string
  readonly after: string
  /** What it is, for the reader of a table. */
  readonly kind: string
}

export type PairContent = 'release' | 'disk' | 'memory' | 'state' | 'incompressible'

export interface Pair {
  readonly name: string
  readonly content: PairContent
  /**
   * Builds what is not there yet.
   *
   * @throws {@link CorpusAbsent} where this machine cannot.
   */
  build(): Promise<BuiltPair>
}

const pair = (name: string, content: PairContent, build: () => Promise<BuiltPair>): Pair => ({ name, content, build })

export const PAIRS: readonly Pair[] = [
  pair('vite', 'release', () => npmRelease('vite', '6.3.5', '7.0.0')),
  pair('typescript', 'release', () => npmRelease('typescript', '5.8.3', '5.9.2')),
  pair('git', 'release', () => debianRelease('git', 'git', '1:2.39.5-0+deb12u2', '1:2.39.5-0+deb12u3')),
  pair('postgresql', 'release', () => debianRelease('postgresql', 'postgresql-15', '15.18-0+deb12u1', '15.20-0+deb12u1')),
  pair('disk rootA', 'disk', diskPair),
  pair('redis guest, 0 to 5 s', 'memory', () => guestPair('kvA-t00', 'kvA-t05')),
  pair('redis guest, 5 to 30 s', 'memory', () => guestPair('kvA-t05', 'kvA-t30')),
  pair('redis guest, 0 to 30 s', 'memory', () => guestPair('kvA-t00', 'kvA-t30')),
  pair('sqlite guest, 0 to 5 s', 'memory', () => guestPair('dbB-t00', 'dbB-t05')),
  pair('sqlite guest, 5 to 30 s', 'memory', () => guestPair('dbB-t05', 'dbB-t30')),
  pair('sqlite guest, 0 to 30 s', 'memory', () => guestPair('dbB-t00', 'dbB-t30')),
  pair('sqlite guest given a redis guest', 'memory', () => guestPair('kvA-t00', 'dbB-t00')),
  pair('node documents, JSON lines', 'state', () => nodeDocuments('lines')),
  pair('node documents, JSON array', 'state', () => nodeDocuments('array')),
  pair('cluster log', 'state', clusterLog),
  pair('compressed by xz', 'incompressible', compressedDebian),
  pair('compressed by gzip', 'incompressible', compressedNpm),
  pair('WebAssembly', 'incompressible', webAssembly),
  pair('random', 'incompressible', randomData),
]
