/** A stretch of an object. */
export interface Span {
  readonly offset: number
  readonly lengthBytes: number
}

/** Raw bytes that are compressed together: zstd finds little more in longer ones. */
export const GROUP_BYTES: number = 4 << 20
/** Held bytes on either side of what is missing that its compression may refer to: content resembles its neighbourhood. */
const CONTEXT_BYTES = 4096
/** Of what is held between the stretches of a group: with what is before and behind, no more than the group may have itself. */
const MOST_BETWEEN_BYTES = GROUP_BYTES - 2 * CONTEXT_BYTES

/** Those that touch one another as one. */
export function joinSpans(spans: Iterable<Span>): readonly Span[] {
  const joined: { offset: number; lengthBytes: number }[] = []
  for (const { offset, lengthBytes } of spans) {
    const last = joined.at(-1)
    if (last !== undefined && last.offset + last.lengthBytes === offset) last.lengthBytes += lengthBytes
    else joined.push({ offset, lengthBytes })
  }
  return joined
}

/**
 * What is missing, in groups of at most {@link GROUP_BYTES}, with at most as much of what is held around them. A stretch may go on in
 * the next group.
 */
export function* groupsOf(missing: readonly Span[]): Generator<readonly Span[], void, undefined> {
  let group: Span[] = []
  let [room, contextRoom, end] = [GROUP_BYTES, MOST_BETWEEN_BYTES, 0]
  for (const { offset, lengthBytes } of missing) {
    if (group.length > 0) contextRoom -= Math.min(2 * CONTEXT_BYTES, offset - end)
    if (contextRoom < 0) {
      yield group
      group = []
      ;[room, contextRoom] = [GROUP_BYTES, MOST_BETWEEN_BYTES]
    }
    for (let at = 0; at < lengthBytes; ) {
      const taken = Math.min(room, lengthBytes - at)
      group.push({ offset: offset + at, lengthBytes: taken })
      at += taken
      room -= taken
      if (room > 0) continue
      yield group
      group = []
      ;[room, contextRoom] = [GROUP_BYTES, MOST_BETWEEN_BYTES]
    }
    end = offset + lengthBytes
  }
  if (group.length > 0) yield group
}

/**
 * The held bytes around a group. `heldBefore` ends where the first stretch of the group begins; `heldAfter[i]` follows stretch i.
 */
export function contextOf(group: readonly Span[], heldBefore: number, heldAfter: readonly number[]): readonly Span[] {
  const first = group[0]?.offset ?? 0
  const context: Span[] = [{ offset: first - Math.min(CONTEXT_BYTES, heldBefore), lengthBytes: Math.min(CONTEXT_BYTES, heldBefore) }]
  for (const [index, { offset, lengthBytes }] of group.entries()) {
    const end = offset + lengthBytes
    const held = heldAfter[index] ?? 0
    const isLast = index + 1 === group.length
    if (isLast || held <= 2 * CONTEXT_BYTES) context.push({ offset: end, lengthBytes: Math.min(held, isLast ? CONTEXT_BYTES : held) })
    else context.push({ offset: end, lengthBytes: CONTEXT_BYTES }, { offset: end + held - CONTEXT_BYTES, lengthBytes: CONTEXT_BYTES })
  }
  return context.filter((span) => span.lengthBytes > 0)
}
