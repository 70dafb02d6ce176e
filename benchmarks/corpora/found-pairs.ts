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
  const built = builtFiles()
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
  return [...found, ...(await guestPairs())]
}

/** A guest whose dumps somebody put there, by the instants of which there are any, the earliest first. */
export interface FoundGuest {
  readonly guest: string
  readonly instants: readonly string[]
}

export async function foundGuests(): Promise<readonly FoundGuest[]> {
  const built = builtFiles()
  const instants = new Map<string, string[]>()
  for (const name of (await namesIn('vm')).filter((one) => !built.has(`vm/${one}`))) {
    const { guest, instant } = DUMP.exec(name)?.groups ?? {}
    if (guest !== undefined && instant !== undefined) instants.set(guest, [...(instants.get(guest) ?? []), instant])
  }
  return [...instants].map(([guest, all]) => ({ guest, instants: all.sort((a, b) => Number(a) - Number(b)) }))
}

export function dumpFile({ guest }: Pick<FoundGuest, 'guest'>, instant: string): string {
  return `vm/${guest}-t${instant}.mem`
}

async function guestPairs(): Promise<readonly Pair[]> {
  const guests = await foundGuests()
  const spans = guests.flatMap(({ guest, instants }) => {
    const [first, last] = [instants.at(0), instants.at(-1)]
    const steps = instants.slice(1).map((to, index) => [instants[index] ?? to, to] as const)
    if (instants.length > 2 && first !== undefined && last !== undefined) steps.push([first, last])
    return steps.map(([from, to]) => {
      const name = `guest ${guest}, ${Number(from)} to ${Number(to)} s`
      return filePair(name, 'memory', dumpFile({ guest }, from), dumpFile({ guest }, to))
    })
  })
  const siblings = guests.slice(1).flatMap((later, index) => {
    const [other, from, to] = [guests[index], guests[index]?.instants[0], later.instants[0]]
    if (other === undefined || from === undefined || to === undefined) return []
    const pair = filePair(`guest ${later.guest} given guest ${other.guest}`, 'memory', dumpFile(other, from), dumpFile(later, to))
    return [{ ...pair, sibling: true } as const]
  })
  return [...spans, ...siblings]
}

function builtFiles(): ReadonlySet<string> {
  return new Set(PAIRS.flatMap(({ files }) => files))
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
