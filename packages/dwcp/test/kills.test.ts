import { afterEach, describe, expect, test } from 'vitest'
import { connectClient, type WorkloadClient } from '../src/index.ts'
import { type Chance, openChance } from './chance.ts'
import { type Blow, type MigrationOutcome, NodeFleet, unlessEnded } from './node-fleet.ts'
import { type Program, type Questioner, startQuestions } from './questioner.ts'
import { diedWithSource, diedWithTarget, hasMoved, hasStayed, type Seen, settled } from './settled.ts'
import { Witness } from './witness.ts'

/** In a row; `DWCP_KILLS` says otherwise. */
const ROUNDS = Number(process.env['DWCP_KILLS'] ?? 200)
const PHASES = ['preparing', 'copying', 'stopped', 'transferring', 'starting'] as const
/** A blow aimed at a phase falls at its begin, or up to so long after: from there to the next one is seldom longer. */
const SPREAD_MS = 3
const PROGRAMS: readonly Program[] = ['hash-chain', 'kv']

type Victim = 'source' | 'target'
interface Plan {
  readonly victim: Victim | 'neither'
  /** 'any': at a random moment of the whole migration. */
  readonly moment: (typeof PHASES)[number] | 'any'
  readonly spreadMs: number
}
const PLANS: readonly Plan[] = [
  ...(['source', 'target'] as const).flatMap((victim) => [
    ...PHASES.map((moment) => ({ victim, moment, spreadMs: 0 })),
    ...PHASES.map((moment) => ({ victim, moment, spreadMs: SPREAD_MS })),
    // Where the outcome can be in doubt, once more.
    { victim, moment: 'transferring' as const, spreadMs: SPREAD_MS },
    ...[1, 2, 3].map(() => ({ victim, moment: 'any' as const, spreadMs: 0 })),
  ]),
  { victim: 'neither', moment: 'any', spreadMs: 0 },
]

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})

describe('a node killed in the middle of a migration', () => {
  test(`leaves, ${ROUNDS} times in a row, its workload running in one place or ended with its owner, and its client with every answer once`, {
    timeout: 120_000 + ROUNDS * 2_000,
  }, async () => {
    const chance = openChance()
    const storm = await Storm.open(chance)
    let round = 0
    try {
      for (; round < ROUNDS; round++) await storm.round(round)
      await storm.finish()
    } catch (error) {
      throw new Error(`round ${round} of the run with DWCP_SEED=${chance.seed} failed: ${String(error)}`, { cause: error })
    }
    console.log(storm.report(chance.seed))
    for (const victim of ['source', 'target'] as const) {
      for (const phase of PHASES)
        expect(storm.kills(victim, phase), `${victim} killed while ${phase}`).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 50))
    }
  })
})

interface Life {
  readonly workload: string
  readonly questions: Questioner
  owner: string
  epoch: number
}

/** One workload at a time, moved to and fro between two nodes until its owner is killed; then the next one. */
class Storm {
  readonly #chance: Chance
  readonly #fleet: NodeFleet
  readonly #client: WorkloadClient
  readonly #witness: Witness
  readonly #deal: () => Plan
  readonly #kills = new Map<string, number>()
  #life: Life | undefined
  #lives = 0
  #answers = 0
  #moves = 0
  /** Of migrations that nobody disturbed, the last ones. */
  #undisturbedMs: number[] = [200]
  readonly #startedMs = performance.now()

  private constructor(chance: Chance, fleet: NodeFleet, client: WorkloadClient) {
    this.#chance = chance
    this.#fleet = fleet
    this.#client = client
    this.#witness = new Witness(fleet, ['a', 'b'])
    this.#deal = chance.deck(PLANS)
  }

  static async open(chance: Chance): Promise<Storm> {
    const fleet = await NodeFleet.open()
    open.push(fleet)
    await Promise.all([fleet.start('a'), fleet.start('b')])
    const client = await connectClient({ nodes: [fleet.address('a'), fleet.address('b')], plaintext: true })
    open.push(client)
    return new Storm(chance, fleet, client)
  }

  async round(number: number): Promise<void> {
    const plan = this.#deal()
    const life = this.#life ?? (await this.#begin())
    await life.questions.next()
    const source = life.owner
    const target = source === 'a' ? 'b' : 'a'
    const { workload } = life
    const blow = this.#blow(plan, `${number}`, source, target)
    const restarted = plan.victim === 'neither' ? undefined : this.#restart(plan.victim === 'source' ? source : target)
    const parameters = { workload, to: this.#fleet.address(target), ...(blow === undefined ? {} : { blow }) }
    const outcome = await unlessEnded(this.#fleet.node(source).call('migrate', parameters))
    await restarted
    const [atSource, atTarget] = await settled(this.#fleet, workload, source, target)
    const phase = (await this.#witness.strike(`${number}`)) ?? 'none'
    this.#count(plan.victim, phase)
    if (plan.victim === 'neither' && outcome?.totalMs !== undefined)
      this.#undisturbedMs = [...this.#undisturbedMs.slice(-8), outcome.totalMs]
    const found = { plan, phase, outcome, atSource, atTarget }
    const runners = [atSource, atTarget].filter((status) => status?.state === 'running')
    if (runners.length > 1) throw new Error(`two run: ${JSON.stringify(found)}`)
    const [runner] = runners
    if (!isToldRightly(outcome, atSource, atTarget)) throw new Error(`the caller was told otherwise: ${JSON.stringify(found)}`)
    if (!mayFollow(plan.victim, phase, atSource, atTarget)) throw new Error(`that must not follow: ${JSON.stringify(found)}`)
    if (runner === undefined) await this.#bury()
    else {
      if (runner.epoch < life.epoch) throw new Error(`the epoch went back from ${life.epoch} to ${runner.epoch}: ${JSON.stringify(found)}`)
      life.epoch = runner.epoch
      life.owner = runner === atSource ? source : target
      if (runner === atTarget) this.#moves++
      await life.questions.next()
    }
    await this.#witness.slices()
    await this.#witness.epochs()
  }

  /** All lives once more: a stale copy that was resumed late has run by now. */
  async finish(): Promise<void> {
    if (this.#life !== undefined) await this.#bury()
    await this.#witness.slices()
    await this.#witness.epochs()
  }

  kills(victim: Victim, phase: string): number {
    return this.#kills.get(`${victim} ${phase}`) ?? 0
  }

  report(seed: number): string {
    const kills = [...this.#kills].sort(([x], [y]) => x.localeCompare(y)).map(([what, times]) => `  ${what}: ${times}`)
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1)
    return [
      `${ROUNDS} rounds in ${seconds} s (DWCP_SEED=${seed}): ${this.#lives} workloads, ${this.#moves} arrivals, ${this.#answers} answers verified`,
      'killed, and in which phase of the migration:',
      ...kills,
    ].join('\n')
  }

  async #begin(): Promise<Life> {
    const number = ++this.#lives
    const program = PROGRAMS[number % 2] ?? 'kv'
    const [owner, workload] = [this.#chance.pick(['a', 'b']), `${program}-${number}`]
    const { epoch } = await this.#fleet.node(owner).call('run', { workload, program, seed: number })
    const life = { workload, owner, epoch, questions: startQuestions(this.#client, workload, program) }
    this.#life = life
    return life
  }

  async #bury(): Promise<void> {
    const { questions } = this.#life ?? {}
    this.#life = undefined
    await questions?.stop()
    this.#answers += questions?.answers ?? 0
  }

  #blow({ victim, moment, spreadMs }: Plan, name: string, source: string, target: string): Blow | undefined {
    if (victim === 'neither') return undefined
    const { pid } = this.#fleet.node(victim === 'source' ? source : target)
    const { fraction } = this.#chance
    if (moment !== 'any') return { pid, signal: 'SIGKILL', name, phase: moment, delayMs: fraction() * spreadMs }
    const sorted = [...this.#undisturbedMs].sort((x, y) => x - y)
    return { pid, signal: 'SIGKILL', name, delayMs: fraction() * (sorted[Math.floor(sorted.length / 2)] ?? 0) }
  }

  async #restart(id: string): Promise<void> {
    await this.#fleet.node(id).exited
    await this.#fleet.start(id)
  }

  #count(victim: Victim | 'neither', phase: string): void {
    const what = victim === 'neither' ? victim : `${victim} ${phase}`
    this.#kills.set(what, (this.#kills.get(what) ?? 0) + 1)
  }
}

/** The promise: what the two nodes may say after a kill in that phase. `phase` is what the source had reached. */
function mayFollow(victim: Plan['victim'], phase: string, ...seen: readonly [Seen, Seen]): boolean {
  const before = ['preparing', 'copying', 'stopped', 'failed'].includes(phase)
  if (victim === 'neither') return hasMoved(...seen)
  if (victim === 'source') {
    if (before) return diedWithSource(...seen)
    return hasMoved(...seen) || (phase === 'transferring' && diedWithSource(...seen))
  }
  // A target that is back before anything was sent takes the workload after all.
  if (before) return hasStayed(...seen) || (phase === 'preparing' && hasMoved(...seen))
  return diedWithTarget(...seen) || (phase !== 'done' && hasStayed(...seen))
}

/** What migrate() said, where its node lived to say it, is what is so. */
function isToldRightly(outcome: MigrationOutcome | undefined, ...seen: readonly [Seen, Seen]): boolean {
  if (outcome === undefined) return true
  if (hasStayed(...seen)) return outcome.code !== undefined && outcome.code !== 'ERR_MIGRATION_LOST'
  // A target that was killed after it had said that it runs the workload is not the migration's failure.
  return outcome.code === undefined || (outcome.code === 'ERR_MIGRATION_LOST' && diedWithTarget(...seen))
}
