import { writeFile } from 'node:fs/promises'
import { randomIntegers } from '../harness/data.js'
import { corpusFile } from './corpora-folder.js'
import { hexDigits, nodeName, oneOf } from './node-documents.js'
import type { BuiltPair } from './pairs.js'

const SEED = 2
const LINES = 90_000
/** The later log has lost its oldest lines, as a rotated one has, and has new ones at its end. */
const BEFORE_LINES = 60_000
const AFTER_FROM = 20_000
const NODES = 6000
const LEVELS = ['INFO', 'INFO', 'INFO', 'WARN', 'DEBUG', 'ERROR']

/** Of the log that is sent often: versions after the first, and the new lines in each. */
const STEPS = 5
const STEP_LINES = 3000

type Random = (bound: number) => number

/** The log of a cluster at two instants, the first 20,000 of 60,000 lines gone from the later and 30,000 new ones in it. */
export async function clusterLog(): Promise<BuiltPair> {
  const lines = logLines()
  const text = (part: readonly string[]): string => `${part.join('\n')}\n`
  return {
    before: await corpusFile('state/cluster.a.log', (path) => writeFile(path, text(lines.slice(0, BEFORE_LINES)))),
    after: await corpusFile('state/cluster.b.log', (path) => writeFile(path, text(lines.slice(AFTER_FROM)))),
    kind: `log of a cluster, ${BEFORE_LINES} lines, then ${LINES - AFTER_FROM} of which ${BEFORE_LINES - AFTER_FROM} are old`,
  }
}

/** The log at six instants: in each 3,000 of its 60,000 lines are new, and as many of the oldest are gone. */
export async function clusterLogSteps(): Promise<readonly string[]> {
  const lines = logLines()
  const files: string[] = []
  for (let step = 0; step <= STEPS; step++) {
    const part = lines.slice(step * STEP_LINES, step * STEP_LINES + BEFORE_LINES)
    files.push(await corpusFile(`state/cluster.step${step}.log`, (path) => writeFile(path, `${part.join('\n')}\n`)))
  }
  return files
}

function logLines(): readonly string[] {
  const random = randomIntegers(SEED)
  let timeMs = 1_790_000_000_000
  return Array.from({ length: LINES }, (_, index) => {
    timeMs += random(50)
    // Some nodes speak much more than others.
    const node = nodeName(Math.floor(NODES * (random(10_000) / 10_000) ** 3))
    return `${(timeMs / 1000).toFixed(3)} ${oneOf(LEVELS, random)} [${node}] ${oneOf(MESSAGES, random)(index, random)}`
  })
}

const MESSAGES: readonly ((index: number, random: Random) => string)[] = [
  (index, random) =>
    `raft: appended index=${1_000_000 + index} term=${random(9)} to ${3 + random(4)} peers in ${(random(9000) / 1000).toFixed(3)}ms`,
  (_, random) => `amst: stream ${random(64)} cwnd=${random(999)} rtt=${(random(9000) / 100).toFixed(2)}ms pacing=${random(9000)}Mbps`,
  (_, random) => `migrate: vm=${hexDigits(12, random)} round=${random(20)} dirty=${random(90_000)} pages sent=${random(900_000)}`,
  (_, random) => {
    const request = `${oneOf(['GET', 'GET', 'POST', 'PUT'], random)} /v1/${oneOf(['nodes', 'vms', 'placements', 'leases'], random)}`
    return `http: ${request} ${oneOf([200, 200, 200, 201, 404, 409, 500], random)} ${random(99_999)}B ${(random(2000) / 10).toFixed(1)}ms`
  },
  (_, random) => `gossip: suspect ${nodeName(random(NODES))} inc=${random(50)}`,
  (_, random) => `hde: chunk ${hexDigits(16, random)} dedup=${random(2)} zstd=${(1 + random(500) / 100).toFixed(2)}x`,
]
