/**
 * What JSON can say.
 *
 * @public
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

export type Leaf = null | boolean | number | string

function isLeaf(value: JsonValue): value is Leaf {
  return value === null || typeof value !== 'object'
}

/** Members in their order; of an array without names. */
function membersOf(value: Exclude<JsonValue, Leaf>): readonly (readonly [string, JsonValue])[] {
  return Array.isArray(value) ? value.map((member) => ['', member]) : Object.entries(value)
}

/** Whether both have the same members in the same order at every depth; leaves may differ. */
export function sameShape(one: JsonValue, other: JsonValue): boolean {
  if (isLeaf(one) || isLeaf(other)) return isLeaf(one) && isLeaf(other)
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [ours, theirs] = [membersOf(one), membersOf(other)]
  return (
    ours.length === theirs.length &&
    ours.every(([name, member], index) => {
      const [otherName, otherMember] = theirs[index] ?? ['', null]
      return name === otherName && sameShape(member, otherMember)
    })
  )
}

/**
 * Visits the leaves in order. A leaf's column is where it stands, not what it is called: members by their index, so that maps with
 * changing keys share columns; all elements of an array are one.
 */
export function visitLeaves(value: JsonValue, visit: (column: string, leaf: Leaf) => void, column = ''): void {
  if (isLeaf(value)) return visit(column, value)
  const elements = Array.isArray(value)
  for (const [index, [, member]] of membersOf(value).entries()) visitLeaves(member, visit, elements ? `${column}*` : `${column}.${index}`)
}

/** The same with other leaves. */
export function mapLeaves(value: JsonValue, map: (column: string, leaf: Leaf) => Leaf, column = ''): JsonValue {
  if (isLeaf(value)) return map(column, value)
  if (Array.isArray(value)) return value.map((member) => mapLeaves(member, map, `${column}*`))
  return Object.fromEntries(membersOf(value).map(([name, member], index) => [name, mapLeaves(member, map, `${column}.${index}`)]))
}
