import { readFile } from 'node:fs/promises'
import type { NodeFleet } from './node-fleet.ts'

type TraceEvent =
  | { readonly kind: 'status'; readonly id: string; readonly state: string; readonly epoch: number }
  | { readonly kind: 'strike'; readonly name: string; readonly phase: string }

/**
 * Judges a fleet by what its processes wrote down. A program's slices are numbered on across migrations, and each process
 * writes the number of each slice down before the slice's answers leave it: so two that ran at once, a stale copy that was
 * resumed, and state that was lost all show as a number that comes twice or not at all, however short the overlap was.
 */
export class Witness {
  readonly #fleet: NodeFleet
  readonly #nodes: readonly string[]
  readonly #readBytes = new Map<string, number>()
  /** By workload: which node ran each slice. */
  readonly #ran = new Map<string, Map<number, string>>()
  /** By node and workload. */
  readonly #lastEpochs = new Map<string, number>()
  /** By workload and epoch. */
  readonly #runners = new Map<string, string>()
  /** By name: the phase in which each blow fell. */
  readonly #strikes = new Map<string, string>()

  constructor(fleet: NodeFleet, nodes: readonly string[]) {
    this.#fleet = fleet
    this.#nodes = nodes
  }

  /** Throws where a slice of any workload ran twice, or is missing. */
  async slices(): Promise<void> {
    const touched = new Set<string>()
    for (const node of this.#nodes) {
      for (const line of await this.#newLines(node, 'slices')) {
        const [workload = '', number] = line.split(' ')
        const slice = Number(number)
        const ran = this.#ran.get(workload) ?? new Map<number, string>()
        this.#ran.set(workload, ran)
        touched.add(workload)
        const before = ran.get(slice)
        if (before !== undefined) throw new Error(`slice ${slice} of ${workload} ran on ${before} and again on ${node}`)
        ran.set(slice, node)
      }
    }
    for (const workload of touched) {
      const ran = this.#ran.get(workload) ?? new Map<number, string>()
      for (let slice = 0; slice < ran.size; slice++) {
        if (!ran.has(slice)) throw new Error(`slice ${slice} of ${workload} is missing, and ${ran.size} ran`)
      }
    }
  }

  /** Throws where the epoch of a workload went back on a node, or two nodes ran it under one epoch. */
  async epochs(): Promise<void> {
    for (const node of this.#nodes) {
      for (const line of await this.#newLines(node, 'events')) {
        const event: TraceEvent = JSON.parse(line)
        if (event.kind === 'strike') this.#strikes.set(event.name, event.phase)
        else this.#checkEpoch(node, event.id, event.epoch, event.state)
      }
    }
  }

  /** In which phase the blow of that name fell, or undefined where it has not. */
  async strike(name: string): Promise<string | undefined> {
    await this.epochs()
    return this.#strikes.get(name)
  }

  #checkEpoch(node: string, workload: string, epoch: number, state: string): void {
    const here = `${workload} on ${node}`
    const before = this.#lastEpochs.get(here) ?? 0
    if (epoch < before) throw new Error(`${here} went from epoch ${before} to ${epoch}`)
    this.#lastEpochs.set(here, epoch)
    if (state !== 'running') return
    const key = `${workload} at epoch ${epoch}`
    const runner = this.#runners.get(key) ?? node
    if (runner !== node) throw new Error(`${key} ran on ${runner} and on ${node}`)
    this.#runners.set(key, node)
  }

  /** Whole lines that were written since the last look. */
  async #newLines(node: string, kind: 'slices' | 'events'): Promise<readonly string[]> {
    const path = `${this.#fleet.root}/${node}.${kind}`
    const from = this.#readBytes.get(path) ?? 0
    const bytes = (await readFile(path)).subarray(from)
    const end = bytes.lastIndexOf(10) + 1
    this.#readBytes.set(path, from + end)
    return bytes.subarray(0, end).toString().split('\n').slice(0, -1)
  }
}
