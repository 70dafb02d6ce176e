import { join } from 'node:path'
import { clusterLog, clusterLogSteps } from '../../corpora/cluster-log.js'
import { CORPORA_FOLDER } from '../../corpora/corpora-folder.js'
import { diskPair } from '../../corpora/disk.js'
import { dumpFile, foundGuests, foundPairs } from '../../corpora/found-pairs.js'
import { type DumpName, guestMemory } from '../../corpora/guest-memory.js'
import { nodeDocuments } from '../../corpora/node-documents.js'
import type { BuiltPair, PairContent } from '../../corpora/pairs.js'
import { debianRelease, npmRelease } from '../../corpora/releases.js'

export type Kind = 'VM' | 'disk' | 'release' | 'log' | 'documents'

/** Something in two or more versions, the oldest first. */
export interface History {
  readonly name: string
  readonly kind: Kind
  readonly short?: true
  /** @throws `CorpusAbsent` where this machine cannot make them. */
  files(): Promise<readonly string[]>
}

const guest = (name: string, ...dumps: readonly DumpName[]): History => ({
  name,
  kind: 'VM',
  async files() {
    const found: string[] = []
    // One after the other: a dump is unpacked by the one before it.
    for (const dump of dumps) found.push(await guestMemory(dump))
    return found
  },
})

const two = (kind: Kind, name: string, build: () => Promise<BuiltPair>, marks: Pick<History, 'short'> = {}): History => ({
  name,
  kind,
  ...marks,
  async files() {
    const { before, after } = await build()
    return before === undefined ? [after] : [before, after]
  },
})

export const HISTORIES: readonly History[] = [
  two('release', 'vite', () => npmRelease('vite', '6.3.5', '7.0.0')),
  two('release', 'typescript', () => npmRelease('typescript', '5.8.3', '5.9.2')),
  two('release', 'git', () => debianRelease('git', 'git', '1:2.39.5-0+deb12u2', '1:2.39.5-0+deb12u3')),
  two('release', 'postgresql', () => debianRelease('postgresql', 'postgresql-15', '15.18-0+deb12u1', '15.20-0+deb12u1')),
  two('log', 'cluster log', clusterLog),
  { name: 'cluster log with 5 % new in each', kind: 'log', files: clusterLogSteps },
  two('documents', 'node documents', () => nodeDocuments('lines'), { short: true }),
  two('disk', 'disk rootA', diskPair),
  guest('redis guest, 0, 5 and 30 s', 'kvA-t00', 'kvA-t05', 'kvA-t30'),
  guest('sqlite guest, 0, 5 and 30 s', 'dbB-t00', 'dbB-t05', 'dbB-t30'),
]

/** Of what somebody put beside the corpora that are built. */
export async function foundHistories(): Promise<readonly History[]> {
  const pairs = (await foundPairs()).filter(({ content }) => content !== 'memory' && content !== 'incompressible')
  const guests = (await foundGuests()).filter(({ instants }) => instants.length > 1)
  return [
    ...pairs.map((pair) => two(kindOf(pair.content, pair.files), pair.name, () => pair.build())),
    ...guests.map((found): History => {
      const times = found.instants.map(Number)
      const files = found.instants.map((instant) => join(CORPORA_FOLDER, dumpFile(found, instant)))
      return { name: `guest ${found.guest}, ${times.join(', ')} s`, kind: 'VM', files: async () => files }
    }),
  ]
}

function kindOf(content: PairContent, files: readonly string[]): Kind {
  if (content === 'release' || content === 'disk') return content
  return files.every((file) => file.endsWith('.jsonl')) ? 'documents' : 'log'
}
