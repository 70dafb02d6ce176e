import { clusterLog } from './cluster-log.js'
import { diskPair } from './disk.js'
import { type DumpName, guestPair } from './guest-memory.js'
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
  /** The earlier version is of another machine. */
  readonly sibling?: true
  /** What it is made of in the corpora's folder. */
  readonly files: readonly string[]
  /**
   * Builds what is not there yet.
   *
   * @throws {@link CorpusAbsent} where this machine cannot.
   */
  build(): Promise<BuiltPair>
}

const released = (name: string, build: () => Promise<BuiltPair>): Pair => ({
  name,
  content: 'release',
  files: [`release/${name}.a.tar`, `release/${name}.b.tar`],
  build,
})

const guests = (name: string, before: DumpName, after: DumpName, marks: Pick<Pair, 'sibling'> = {}): Pair => ({
  name,
  content: 'memory',
  ...marks,
  files: [`vm/${before}.mem`, `vm/${after}.mem`],
  build: () => guestPair(before, after),
})

const state = (name: string, stem: string, ending: string, build: () => Promise<BuiltPair>): Pair => ({
  name,
  content: 'state',
  files: [`state/${stem}.a.${ending}`, `state/${stem}.b.${ending}`],
  build,
})

const incompressible = (name: string, file: string, build: () => Promise<BuiltPair>): Pair => ({
  name,
  content: 'incompressible',
  files: [`incompressible/${file}`],
  build,
})

export const PAIRS: readonly Pair[] = [
  released('vite', () => npmRelease('vite', '6.3.5', '7.0.0')),
  released('typescript', () => npmRelease('typescript', '5.8.3', '5.9.2')),
  released('git', () => debianRelease('git', 'git', '1:2.39.5-0+deb12u2', '1:2.39.5-0+deb12u3')),
  released('postgresql', () => debianRelease('postgresql', 'postgresql-15', '15.18-0+deb12u1', '15.20-0+deb12u1')),
  { name: 'disk rootA', content: 'disk', files: ['disk/rootA.a.img', 'disk/rootA.b.img'], build: diskPair },
  guests('redis guest, 0 to 5 s', 'kvA-t00', 'kvA-t05'),
  guests('redis guest, 5 to 30 s', 'kvA-t05', 'kvA-t30'),
  guests('redis guest, 0 to 30 s', 'kvA-t00', 'kvA-t30'),
  guests('sqlite guest, 0 to 5 s', 'dbB-t00', 'dbB-t05'),
  guests('sqlite guest, 5 to 30 s', 'dbB-t05', 'dbB-t30'),
  guests('sqlite guest, 0 to 30 s', 'dbB-t00', 'dbB-t30'),
  guests('sqlite guest given a redis guest', 'kvA-t00', 'dbB-t00', { sibling: true }),
  guests('redis guest given a sqlite guest', 'dbB-t00', 'kvA-t00', { sibling: true }),
  state('node documents, JSON lines', 'nodes', 'jsonl', () => nodeDocuments('lines')),
  state('node documents, JSON array', 'docs', 'json', () => nodeDocuments('array')),
  state('cluster log', 'cluster', 'log', clusterLog),
  incompressible('compressed by xz', 'a.deb', compressedDebian),
  incompressible('compressed by gzip', 'b.tgz', compressedNpm),
  incompressible('WebAssembly', 'c.wasm', webAssembly),
  incompressible('random', 'd.aes', randomData),
]
