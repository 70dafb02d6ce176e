import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { randomIntegers } from '../harness/data.js'
import { corpusFile } from './corpora-folder.js'
import type { BuiltPair } from './pairs.js'

const SEED = 1
const NODES = 6000
const REGIONS = ['eu-west-1', 'us-east-2', 'ap-south-1', 'eu-central-1', 'us-west-2']
const PHASES = ['Ready', 'Ready', 'Ready', 'Ready', 'Draining', 'NotReady', 'Cordoned']
const PHASE_CHANGE_PERCENT = 2

type Random = (bound: number) => number

/** What a cluster says of its nodes, at two instants 5 s apart: one JSON document a line, or one indented array. */
export async function nodeDocuments(form: 'lines' | 'array'): Promise<BuiltPair> {
  const name = form === 'lines' ? 'state/nodes' : 'state/docs'
  const ending = form === 'lines' ? 'jsonl' : 'json'
  const text = (nodes: readonly NodeDocument[]): string =>
    form === 'lines' ? `${nodes.map((node) => JSON.stringify(node)).join('\n')}\n` : JSON.stringify(nodes, undefined, 1)
  const random = randomIntegers(SEED)
  const earlier = Array.from({ length: NODES }, (_, index) => nodeDocument(index, random))
  const later = earlier.map((node) => fiveSecondsLater(node, random))
  return {
    before: await corpusFile(`${name}.a.${ending}`, (path) => writeFile(path, text(earlier))),
    after: await corpusFile(`${name}.b.${ending}`, (path) => writeFile(path, text(later))),
    kind: `${NODES} node documents at two instants, ${form === 'lines' ? 'JSON lines' : 'an indented JSON array'}`,
  }
}

type NodeDocument = ReturnType<typeof nodeDocument>

function nodeDocument(index: number, random: Random) {
  return {
    apiVersion: 'dwcp/v3',
    kind: 'NodeState',
    metadata: {
      name: nodeName(index),
      uid: createHash('sha1').update(`${SEED}-${index}`).digest('hex'),
      region: oneOf(REGIONS, random),
      zone: oneOf(['a', 'b', 'c'], random),
      labels: { tier: oneOf(['gold', 'silver', 'bronze'], random), arch: oneOf(['amd64', 'arm64'], random), rack: `r${random(40)}` },
      resourceVersion: 10 ** 7 + random(9 * 10 ** 7),
    },
    status: {
      phase: oneOf(PHASES, random),
      heartbeat: 1_790_000_000_000 + random(60_000),
      vclock: Object.fromEntries(Array.from({ length: 4 }, () => [nodeName(random(5000)), random(9999)])),
      cpu: { cores: oneOf([8, 16, 32, 64, 96], random), used: random(64_000) / 1000, steal: random(10_000) / 10_000 },
      mem: { total: oneOf([32, 64, 128, 256], random) * 2 ** 30, used: random(2 ** 37) },
      net: {
        rxBps: random(10 ** 10),
        txBps: random(10 ** 10),
        rttMs: Object.fromEntries(Array.from({ length: 3 }, () => [oneOf(REGIONS, random), random(8000) / 100])),
      },
      vms: Array.from({ length: 1 + random(5) }, () => virtualMachine(random)),
    },
  }
}

function virtualMachine(random: Random) {
  const image = `${oneOf(['core', 'edge', 'ml', 'data'], random)}/${oneOf(['api', 'worker', 'cache', 'proxy', 'ingest', 'train'], random)}`
  return {
    id: `vm-${hexDigits(12, random)}`,
    image: `registry.local/${image}:${random(3)}.${random(5)}.${random(3)}`,
    vcpu: oneOf([1, 2, 4, 8], random),
    memMiB: oneOf([512, 1024, 2048, 4096], random),
    state: oneOf(['running', 'running', 'running', 'paused', 'migrating'], random),
    dirtyPps: random(90_000),
  }
}

/** A heartbeat, a clock, the gauges, and now and then another phase. */
function fiveSecondsLater({ metadata, status, ...rest }: NodeDocument, random: Random): NodeDocument {
  const ticking = oneOf(Object.keys(status.vclock), random)
  return {
    ...rest,
    metadata: { ...metadata, resourceVersion: metadata.resourceVersion + 1 + random(39) },
    status: {
      ...status,
      phase: random(100) < PHASE_CHANGE_PERCENT ? oneOf(PHASES, random) : status.phase,
      heartbeat: status.heartbeat + 5000 + random(40),
      vclock: { ...status.vclock, [ticking]: (status.vclock[ticking] ?? 0) + 1 },
      cpu: { ...status.cpu, used: random(64_000) / 1000 },
      mem: { ...status.mem, used: Math.max(0, status.mem.used + random(2 ** 25) - 2 ** 24) },
      net: { ...status.net, rxBps: random(10 ** 10) },
      vms: status.vms.map((vm) => ({ ...vm, dirtyPps: random(90_000) })),
    },
  }
}

/** One of a list that is not empty. */
export function oneOf<Item>(items: readonly Item[], random: Random): Item {
  const item = items[random(items.length)]
  if (item === undefined) throw new RangeError('nothing to choose from')
  return item
}

export function nodeName(index: number): string {
  return `node-${String(index).padStart(5, '0')}`
}

export function hexDigits(count: number, random: Random): string {
  return Array.from({ length: count }, () => random(16).toString(16)).join('')
}
