import { readFile } from 'node:fs/promises'
import type { NodeFleet } from './node-fleet.ts'

interface TraceEvent {
  readonly kind: 'status' | 'strike'
  readonly node: string
  readonly pid: number
  readonly atMs: number
  readonly id?: string
  readonly state?: string
  readonly epoch?: number
  readonly name?: string
  readonly phase?: string
}

/**
 * Judges a fleet by what its processes wrote down. A program's slices are numbered on across migrations, and each process
 * writes the number of each slice down before the slice's answers leave it: so two that ran at once, a stale copy that was
 * resumed, and state that was lost all show as a number that comes twice or not at all, however short the overlap was.
 */
export class Witness {
  readonly #fleet: NodeFleet
  readonly #nodes: readonly string[]

  constructor(fleet: NodeFleet, nodes: readonly string[]) {
    this.#fleet = fleet
    this.#nodes = nodes
  }

  /** By workload: how often each slice ran, over all processes of all nodes. Throws for one that ran twice. */
  async slices(): Promise<ReadonlyMap<string, number>> {
    const ran = new Map<string, Map<number, string>>()
    for (const node of this.#nodes) {
      for (const line of await this.#lines(node, 'slices')) {
        const [workload = '', number] = line.split(' ')
        const slice = Number(number)
        const of = ran.get(workload) ?? new Map<number, string>()
        ran.set(workload, of)
        const before = of.get(slice)
        if (before !== undefined) throw new Error(`slice ${slice} of ${workload} ran on ${before} and again on ${node}`)
        of.set(slice, node)
      }
    }
    const lengths = new Map<string, number>()
    for (const [workload, of] of ran) {
      for (let slice = 0; slice < of.size; slice++) {
        if (!of.has(slice)) throw new Error(`slice ${slice} of ${workload} is missing, and ${of.size} ran`)
      }
      lengths.set(workload, of.size)
    }
    return lengths
  }

  /** Epochs of a workload only grow on each node, and under one epoch only one node ever ran it. Throws where that does not hold. */
  async epochs(): Promise<void> {
    const runners = new Map<string, string>()
    for (const node of this.#nodes) {
      const last = new Map<string, number>()
      for (const event of await this.events(node)) {
        if (event.kind !== 'status' || event.id === undefined || event.epoch === undefined) continue
        const before = last.get(event.id) ?? 0
        if (event.epoch < before) throw new Error(`${event.id} went from epoch ${before} to ${event.epoch} on ${node}`)
        last.set(event.id, event.epoch)
        if (event.state !== 'running') continue
        const key = `${event.id} at epoch ${event.epoch}`
        const runner = runners.get(key) ?? node
        if (runner !== node) throw new Error(`${key} ran on ${runner} and on ${node}`)
        runners.set(key, node)
      }
    }
  }

  async events(node: string): Promise<readonly TraceEvent[]> {
    return (await this.#lines(node, 'events')).map((line): TraceEvent => JSON.parse(line))
  }

  /** In which phase the blow of that name fell, or undefined where it has not. */
  async strike(name: string): Promise<string | undefined> {
    for (const node of this.#nodes) {
      const found = (await this.events(node)).find((event) => event.kind === 'strike' && event.name === name)
      if (found !== undefined) return found.phase
    }
    return undefined
  }

  /** The last line of a process that was killed may be cut short. */
  async #lines(node: string, kind: 'slices' | 'events'): Promise<readonly string[]> {
    const text = await readFile(`${this.#fleet.root}/${node}.${kind}`, 'utf8')
    return text.split('\n').filter((line, index, all) => line !== '' && index < all.length - 1)
  }
}
