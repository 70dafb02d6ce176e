import { readdir } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { CORPORA_FOLDER } from './corpora-folder.js'
import { PAIRS, type Pair, type PairContent } from './pairs.js'

const FOLDERS: Readonly<Record<string, PairContent>> = {
  release: 'release',
  disk: 'disk',
  state: 'state',
  incompressible: 'incompressible',
}
/** A dump's guest and instant. */
const DUMP = /^(?<guest>.+)-t(?<instant>\d+)\.mem$/

/**
 * Pairs that somebody put into the corpora's folder beside those that are built: `release/NAME.a.EXT` and `NAME.b.EXT` (`disk`,
 * `state` alike), and dumps `vm/GUEST-tNN.mem`, of which each instant is given the one before, the last the
 * first, and the first of a guest the first of another.
 */
export async function foundPairs(): Promise<readonly Pair[]> {
  const built = new Set(PAIRS.flatMap(({ files }) => files))
  const found: Pair[] = []
  for (const [folder, content] of Object.entries(FOLDERS)) {
    const names = new Set(await namesIn(folder))
    for (const name of names) {
      const { name: stem, ext } = parse(name)
      if (!stem.endsWith('.a') || built.has(`${folder}/${name}`)) continue
      const later = `${stem.slice(0, -1)}b${ext}`
      if (names.has(later)) found.push(filePair(`${folder} ${stem.slice(0, -2)}${ext}`, content, `${folder}/${name}`, `${folder}/${later}`))
    }
  }
  return [...found, ...(await guests(built))]
}

async function guests(built: ReadonlySet<string>): Promise<readonly Pair[]> {
  const instants = new Map<string, string[]>()
  for (const name of (await namesIn('vm')).filter((one) => !built.has(`vm/${one}`))) {
    const { guest, instant } = DUMP.exec(name)?.groups ?? {}
    if (guest !== undefined && instant !== undefined) instants.set(guest, [...(instants.get(guest) ?? []), instant])
  }
  const pair = (name: string, from: string, to: string): Pair => filePair(name, 'memory', `vm/${from}.mem`, `vm/${to}.mem`)
  const sorted = [...instants].map(([guest, all]) => ({ guest, times: all.sort((a, b) => Number(a) - Number(b)) }))
  const spans = sorted.flatMap(({ guest, times }) => {
    const [first, last] = [times.at(0), times.at(-1)]
    const steps = times.slice(1).map((to, index) => [times[index] ?? to, to] as const)
    if (times.length > 2 && first !== undefined && last !== undefined) steps.push([first, last])
    return steps.map(([from, to]) => pair(`guest ${guest}, ${Number(from)} to ${Number(to)} s`, `${guest}-t${from}`, `${guest}-t${to}`))
  })
  const siblings = sorted.slice(1).map(({ guest, times }, index) => {
    const other = sorted[index]
    return pair(`guest ${guest} given guest ${other?.guest}`, `${other?.guest}-t${other?.times[0]}`, `${guest}-t${times[0]}`)
  })
  return [...spans, ...siblings]
}

function filePair(name: string, content: PairContent, before: string, after: string): Pair {
  const [older, newer] = [join(CORPORA_FOLDER, before), join(CORPORA_FOLDER, after)]
  return {
    name,
    content,
    files: [before, after],
    build: async () => ({ before: older, after: newer, kind: `found: ${after} given ${before}` }),
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(join(CORPORA_FOLDER, folder)).catch(() => [])).sort((a, b) => (a < b ? -1 : 1))
}
