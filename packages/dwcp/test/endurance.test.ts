import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectClient, HashChainVerifier, hashChain } from '../src/index.ts'
import { NodeFleet } from './node-fleet.ts'

/** Until V8 has compiled what it will, some 100 of them: what leaks some bytes each shows in thousands. */
const MIGRATIONS = Number(process.env['DWCP_ENDURANCE'] ?? 300)
const SAMPLES = 80
/** Of the floor, from the third quarter to the last: the larger of a share and what V8's compiled code still grows by. */
const GROWTH_RATIO = 0.05
const GROWTH_BYTES = { rssBytes: 10 * 2 ** 20, heapBytes: 2 ** 20, externalBytes: 2 * 2 ** 20 } as const
const JOURNAL_BYTES = 320 * 1024

interface Sample {
  readonly rssBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
  readonly files: number
  readonly threads: number
  readonly journalBytes: number
}

/** The least of a quarter, counted from 0: what a migration just past has not let go of yet comes and goes, a leak raises the floor. */
function floor(samples: readonly Sample[], quarter: number, of: (sample: Sample) => number): number {
  const length = samples.length / 4
  return Math.min(...samples.slice(Math.floor(quarter * length), Math.floor((quarter + 1) * length)).map(of))
}

const MIB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

test(`two nodes that move a workload to and fro ${MIGRATIONS} times do not grow`, { timeout: Math.max(600, MIGRATIONS) * 1_000 }, async ({
  onTestFinished,
}) => {
  const fleet = await NodeFleet.open({
    execArgv: ['--expose-gc'],
    env: {
      // With an arena for each thread, malloc takes a thousand migrations to have as much as it will: a leak would not show before.
      MALLOC_ARENA_MAX: '1',
      // A path that is measured anew may be given more connections, which are no leak.
      DWCP_TEST_MODE: 'datacenter',
    },
  })
  onTestFinished(() => fleet[Symbol.asyncDispose]())
  const nodes = [await fleet.start('a'), await fleet.start('b')]
  const [a, b] = nodes
  if (a === undefined || b === undefined) throw new RangeError('two nodes')
  const client = await connectClient({ nodes: [fleet.address('a'), fleet.address('b')], plaintext: true })
  onTestFinished(() => client.close())
  await a.call('run', { workload: 'w', program: 'hash-chain', seed: 1 })
  await client.request('w', hashChain.pace(1_000))
  const verifier = new HashChainVerifier()
  const samples: Sample[][] = [[], []]
  const sample = async (): Promise<void> => {
    for (const [index, id] of ['a', 'b'].entries()) {
      const { pid } = fleet.node(id)
      const { rss, heapUsed, external } = await fleet.node(id).call('memory', undefined)
      const threads = /^Threads:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
      samples[index]?.push({
        rssBytes: rss,
        heapBytes: heapUsed,
        externalBytes: external,
        files: (await readdir(`/proc/${pid}/fd`)).length,
        threads: Number(threads),
        journalBytes: (await stat(join(fleet.root, id, 'ownership', 'ownership.journal'))).size,
      })
    }
  }

  const startedMs = performance.now()
  let migrations = 0
  while (migrations < MIGRATIONS) {
    for (const [from, to] of [['a', 'b'] as const, ['b', 'a'] as const]) {
      const outcome = await fleet.node(from).call('migrate', { workload: 'w', to: fleet.address(to) })
      expect(outcome.code, outcome.message).toBeUndefined()
      migrations++
    }
    expect(verifier.verify(hashChain.decode((await client.request('w', hashChain.status())).payload))).toBe(true)
    if ((migrations / MIGRATIONS) * SAMPLES >= (samples[0]?.length ?? 0)) await sample()
  }

  const seconds = (performance.now() - startedMs) / 1000
  const lines = [`${migrations} migrations in ${seconds.toFixed(0)} s, ${samples[0]?.length} samples; least of each quarter:`]
  const failures: string[] = []
  for (const [index, of] of samples.entries()) {
    const name = index === 0 ? 'a' : 'b'
    for (const key of ['rssBytes', 'heapBytes', 'externalBytes'] as const) {
      const quarters = [0, 1, 2, 3].map((which) => floor(of, which, (each) => each[key]))
      lines.push(`  ${name} ${key}: ${quarters.map(MIB).join(', ')}`)
      const [, , third = 0, last = 0] = quarters
      if (last - third > Math.max(third * GROWTH_RATIO, GROWTH_BYTES[key])) {
        failures.push(`${name} ${key} grew from ${MIB(third)} to ${MIB(last)}`)
      }
    }
    for (const key of ['files', 'threads'] as const) {
      const counts = of.slice(Math.floor(of.length / 4)).map((each) => each[key])
      lines.push(`  ${name} ${key}: ${Math.min(...counts)} to ${Math.max(...counts)}`)
      if (floor(of, 3, (each) => each[key]) > floor(of, 1, (each) => each[key])) failures.push(`${name} ${key} grew`)
    }
    const journalBytes = Math.max(...of.map((each) => each.journalBytes))
    lines.push(`  ${name} journal: at most ${journalBytes} bytes`)
    if (journalBytes > JOURNAL_BYTES) failures.push(`the journal of ${name} has ${journalBytes} bytes`)
  }
  console.log(lines.join('\n'))
  expect(failures, failures.join('; ')).toEqual([])
})
