import { simulation } from '@dwcp/core'
import { cliError } from '../errors.js'
import { formatCount } from '../units.js'
import type { Interlocutor } from './interlocutor.js'

/** What the simulation's memory is made of. */
export type MemoryShape = Parameters<typeof simulation.configure>[0]

export const PAGE_BYTES = 4096
/** The program's own limit for one check. */
const PAGES_PER_CHECK = 256
/** Longest that no page is filled before the memory counts as refused. */
const FILL_PATIENCE_MS = 10_000

/** Asks the simulation how far it is, and recomputes what every page of it must hold. */
export function createMemoryInterlocutor(shape: MemoryShape): Interlocutor {
  let seen = 0
  return {
    async prepare(ask, onProgress) {
      let filled = -1
      let sinceMs = performance.now()
      let status = simulation.decode(await ask(simulation.configure(shape)))
      while (status.filled < shape.pages) {
        if (status.filled > filled) sinceMs = performance.now()
        filled = status.filled
        if (performance.now() - sinceMs > FILL_PATIENCE_MS) {
          throw cliError(
            'ERR_CLI_CHILD',
            `the simulation stopped filling its memory at page ${filled} of ${shape.pages}: try fewer --bytes`,
          )
        }
        onProgress(status.filled * PAGE_BYTES, shape.pages * PAGE_BYTES)
        status = simulation.decode(await ask(simulation.status()))
      }
    },
    next: () => simulation.status(),
    judge(reply) {
      const { filled, written } = simulation.decode(reply)
      if (written < seen) return 'repeated'
      seen = written
      return filled === shape.pages ? 'right' : 'wrong'
    },
    async verify(ask, onProgress) {
      let right = 0
      for (let first = 0; first < shape.pages; first += PAGES_PER_CHECK) {
        const count = Math.min(PAGES_PER_CHECK, shape.pages - first)
        const { written, checksum } = simulation.decode(await ask(simulation.check(first, count)))
        if (checksum === simulation.expectedChecksum(shape, first, count, written)) right += count
        seen = Math.max(seen, written)
        onProgress((first + count) * PAGE_BYTES, shape.pages * PAGE_BYTES)
      }
      return {
        verified: right === shape.pages,
        text: `${formatCount(right)} of ${formatCount(shape.pages)} pages hold what they must after ${formatCount(seen)} rewrites`,
      }
    },
  }
}
