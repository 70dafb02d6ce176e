import { corrupt } from '../errors.js'
import { codeInteger, codeSymbol, integerOdds } from './integers.js'
import { codeRareLeaves } from './leaves.js'
import { decimalsOf, isExact, NumberColumn } from './number-column.js'
import type { Odds } from './range-coder.js'
import { type Session, SHARED } from './session.js'
import { TextColumn } from './text-column.js'
import { ArrayNode, gaps, KIND_BITS, KINDS, kindOf, MapNode, type Node, sameLevel } from './tree.js'
import { Tuples } from './tuples.js'

/** Deepest nesting of a document. */
export const MOST_DEPTH = 64

/** What became of rows that have a former version: none changed, all did, or those that a bit each says. */
const SAME = { all: 0, none: 1, some: 2 } as const
const SAME_BITS = 2
const FLAG = { same: 0, sameKind: 1 } as const
/** A key has a place of its own where at least one map in so many has it; rarer ones, as the keys of an index have, share one. */
const MAPS_A_KEY = 4

/** What stands at one place of all documents; `nodes` is given where they are written, and filled where they are read. */
export class Rows {
  readonly nodes: Node[] = []
  readonly formers: (Node | undefined)[] = []
  readonly groups: number[] = []
  readonly #owners: Node[][] = []
  readonly #indexes: number[] = []

  add(node: Node, former: Node | undefined, group: number, owner: Node[], index: number): void {
    this.nodes.push(node)
    this.formers.push(former)
    this.groups.push(group)
    this.#owners.push(owner)
    this.#indexes.push(index)
  }

  /** Puts what was read where it belongs. */
  settle(): void {
    for (const [row, node] of this.nodes.entries()) {
      const owner = this.#owners[row]
      if (owner !== undefined) owner[this.#indexes[row] ?? 0] = node
    }
  }
}

/** A place in the documents of a batch, with the columns of what stands there and the places inside it. */
export class Place {
  readonly #parent: Place | undefined
  #odds: Odds
  #lengths: Odds | undefined
  #sameMode = 3
  #lastKind = -1
  #numbers: NumberColumn | undefined
  #texts: TextColumn | undefined
  #tuples: Tuples | undefined
  #maps = 0
  readonly #keyCounts = new Map<string, number>()
  readonly #members = new Map<string, Place>()
  #others: Place | undefined
  #elements: Place | undefined

  constructor(parent?: Place) {
    this.#parent = parent
    if (parent === undefined) {
      this.#odds = new Uint32Array(2)
      return
    }
    this.#odds = parent.#odds.slice()
    this.#lengths = parent.#lengths?.slice()
    this.#numbers = parent.#numbers?.fork()
    this.#texts = parent.#texts?.fork()
    this.#tuples = parent.#tuples === undefined ? undefined : new Tuples(parent.#tuples)
    this.#sameMode = parent.#sameMode
    this.#lastKind = parent.#lastKind
    this.#maps = parent.#maps
  }

  code(session: Session, rows: Rows, depth: number): void {
    if (depth > MOST_DEPTH) throw corrupt('documents that are nested too deeply')
    const told = this.#codeSame(session, rows)
    this.#codeKinds(session, rows, told)
    if (!session.coder.writing) rows.settle()
    this.#codeInside(session, rows, depth)
  }

  /** @returns the rows that are told, because they changed or have no former version. */
  #codeSame(session: Session, { nodes, formers }: Rows): number[] {
    const { coder, shared } = session
    const known: number[] = []
    const told: number[] = []
    for (const [row, former] of formers.entries()) (former === undefined ? told : known).push(row)
    if (known.length === 0) return told
    const changed = new Set(coder.writing ? known.filter((row) => !isSame(formers[row], nodes[row])) : [])
    const wanted = changed.size === 0 ? SAME.all : changed.size === known.length ? SAME.none : SAME.some
    const mode = codeSymbol(coder, shared, SHARED.same + this.#sameMode * 2 ** SAME_BITS, SAME_BITS, wanted)
    this.#sameMode = mode
    for (const row of known) {
      const isChanged = mode === SAME.some ? coder.bit(this.#odds, FLAG.same, changed.has(row) ? 1 : 0) === 1 : mode !== SAME.all
      if (isChanged) told.push(row)
      else if (!coder.writing) nodes[row] = emptied(formers[row] ?? null)
    }
    return told.sort((one, other) => one - other)
  }

  #codeKinds(session: Session, rows: Rows, told: readonly number[]): void {
    const { coder, shared } = session
    if (told.length === 0) return
    const places = coder.writing ? placesOf(rows.nodes, told) : 0
    const kinds = coder.writing ? told.map((row) => kindIn(rows.nodes[row] ?? null, places)) : []
    const isUniform = told.length > 1 && coder.bit(shared, SHARED.uniform + 1, kinds.every((kind) => kind === kinds[0]) ? 1 : 0) === 1
    const byKind = new Map<number, number[]>()
    let last = this.#lastKind
    for (const [nth, row] of told.entries()) {
      let kind = nth > 0 && isUniform ? last : -1
      if (kind < 0 && last >= 0 && coder.bit(this.#odds, FLAG.sameKind, kinds[nth] === last ? 1 : 0) === 1) kind = last
      if (kind < 0) kind = codeSymbol(coder, shared, SHARED.kind, KIND_BITS, kinds[nth] ?? 0)
      last = kind
      const list = byKind.get(kind)
      if (list === undefined) byKind.set(kind, [row])
      else list.push(row)
    }
    this.#lastKind = last
    for (const [kind, list] of byKind) this.#codeKind(session, rows, kind, list, places)
  }

  #codeKind(session: Session, { nodes, formers, groups }: Rows, kind: number, list: readonly number[], places: number): void {
    const { coder, budget } = session
    const given = coder.writing ? list.map((row) => nodes[row] ?? null) : []
    const take = (made: readonly Node[]): void => {
      if (!coder.writing) for (const [nth, row] of list.entries()) nodes[row] = made[nth] ?? null
    }
    switch (kind) {
      case KINDS.number: {
        this.#numbers ??= new NumberColumn()
        const former = list.map((row) => formers[row])
        const context = {
          ...(former.some((one) => typeof one === 'number') && { formers: former }),
          ...(groups.some((group) => group > 0) && { groups: list.map((row) => groups[row] ?? 0) }),
        }
        return take(this.#numbers.code(session, list.length, given.map(Number), places, context))
      }
      case KINDS.text:
        this.#texts ??= new TextColumn()
        return take(
          this.#texts.code(
            session,
            list.length,
            given.map(String),
            list.map((row) => groups[row] ?? 0),
          ),
        )
      case KINDS.array: {
        this.#lengths ??= integerOdds()
        const lengths = this.#lengths
        const made = list.map((_, nth) => {
          const node = given[nth]
          const length = codeInteger(coder, lengths, node instanceof ArrayNode ? node.items.length : 0)
          budget.spendNodes(length)
          return new ArrayNode(coder.writing ? [] : gaps(length))
        })
        return take(made)
      }
      case KINDS.map: {
        this.#tuples ??= new Tuples()
        const tuples = this.#tuples.code(
          session,
          list.length,
          given.map((node) => (node instanceof MapNode ? node.keys : [])),
        )
        for (const keys of tuples) budget.spendNodes(keys.length)
        return take(tuples.map((keys) => new MapNode(keys, coder.writing ? [] : gaps(keys.length))))
      }
      default:
        this.#lengths ??= integerOdds()
        return take(codeRareLeaves(session, kind, given, list.length, this.#lengths))
    }
  }

  #codeInside(session: Session, rows: Rows, depth: number): void {
    const elements = new Rows()
    const maps: number[] = []
    for (const [row, node] of rows.nodes.entries()) {
      if (node instanceof MapNode) maps.push(row)
      if (!(node instanceof ArrayNode)) continue
      const former = rows.formers[row]
      const formers = former instanceof ArrayNode ? former.items : []
      for (const [index, item] of node.items.entries()) elements.add(item, formers[index], rows.groups[row] ?? 0, node.items, index)
    }
    if (elements.nodes.length > 0) {
      this.#elements ??= new Place(this.#parent === undefined ? undefined : this.#parent.#elements)
      this.#elements.code(session, elements, depth + 1)
    }
    if (depth === 0 && session.groupBy !== undefined) this.#codeGroups(session, rows, maps, session.groupBy)
    if (maps.length > 0) this.#codeMembers(session, rows, maps, depth)
  }

  #codeMembers(session: Session, rows: Rows, maps: readonly number[], depth: number): void {
    this.#count(rows, maps)
    const members = new Map<string, Rows>()
    const others = new Rows()
    for (const row of maps) {
      const node = rows.nodes[row]
      if (!(node instanceof MapNode)) continue
      const former = rows.formers[row]
      const formerMap = former instanceof MapNode ? former : undefined
      const isAligned = formerMap?.keys === node.keys || (formerMap !== undefined && sameLevel(formerMap, node))
      for (const [index, key] of node.keys.entries()) {
        if (depth === 0 && key === session.groupBy) continue
        let into = this.#hasPlace(key) ? members.get(key) : others
        if (into === undefined) members.set(key, (into = new Rows()))
        const at = isAligned ? index : (formerMap?.keys.indexOf(key) ?? -1)
        into.add(node.items[index] ?? null, formerMap?.items[at], rows.groups[row] ?? 0, node.items, index)
      }
    }
    for (const [key, inside] of members) {
      this.#member(key).code(session, inside, depth + 1)
    }
    if (others.nodes.length === 0) return
    this.#others ??= new Place(this.#parent === undefined ? undefined : this.#parent.#others)
    this.#others.code(session, others, depth + 1)
  }

  /** Goes first, so that the others can be told from the latest of their group. */
  #codeGroups(session: Session, { nodes, formers, groups }: Rows, maps: readonly number[], key: string): void {
    const inside = new Rows()
    const members: number[] = []
    for (const row of maps) {
      const [node, former] = [nodes[row], formers[row]]
      const index = node instanceof MapNode ? node.keys.indexOf(key) : -1
      if (!(node instanceof MapNode) || index < 0) continue
      members.push(row)
      inside.add(
        node.items[index] ?? null,
        former instanceof MapNode ? former.items[former.keys.indexOf(key)] : undefined,
        0,
        node.items,
        index,
      )
    }
    if (members.length === 0) return
    this.#member(key).code(session, inside, 1)
    const known = new Map<Node, number>()
    for (const [nth, row] of members.entries()) {
      const name = inside.nodes[nth] ?? null
      const group = known.get(name) ?? known.size + 1
      known.set(name, group)
      groups[row] = group
    }
  }

  #member(key: string): Place {
    const place = this.#members.get(key) ?? new Place(this.#parent === undefined ? undefined : this.#parent.#members.get(key))
    this.#members.set(key, place)
    return place
  }

  #count(rows: Rows, maps: readonly number[]): void {
    this.#maps += maps.length
    for (const row of maps) {
      const node = rows.nodes[row]
      if (node instanceof MapNode) for (const key of node.keys) this.#keyCounts.set(key, (this.#keyCounts.get(key) ?? 0) + 1)
    }
  }

  #hasPlace(key: string): boolean {
    return MAPS_A_KEY * this.#countOf(key) >= this.#maps
  }

  #countOf(key: string): number {
    return (this.#keyCounts.get(key) ?? 0) + (this.#parent === undefined ? 0 : this.#parent.#countOf(key))
  }
}

function isSame(former: Node | undefined, node: Node | undefined): boolean {
  return former !== undefined && node !== undefined && sameLevel(former, node)
}

/** A container as the former one, without what is inside it; a leaf as it is. */
function emptied(former: Node): Node {
  if (former instanceof MapNode) {
    return new MapNode(former.keys, gaps(former.keys.length))
  }
  if (!(former instanceof ArrayNode)) return former
  return new ArrayNode(gaps(former.items.length))
}

/** Decimal places for the numbers of a column: as many as the one needs that needs most. */
function placesOf(nodes: readonly Node[], told: readonly number[]): number {
  let places = 0
  for (const row of told) {
    const node = nodes[row]
    if (typeof node === 'number' && !isExact(node, places)) places = decimalsOf(node, places) ?? places
  }
  return places
}

function kindIn(node: Node, places: number): number {
  return typeof node === 'number' && (Object.is(node, -0) || !isExact(node, places)) ? KINDS.float : kindOf(node)
}
