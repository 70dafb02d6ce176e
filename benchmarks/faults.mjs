// The tests of faults of @dwcp/amst and of `dwcp send`, at full size: `pnpm --filter benchmarks faults [--kills N] [--rounds N]
// [--sessions N] [--seed N] [--json]`. CI runs the same tests, smaller.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const FILES = [
  ...['processes', 'faults', 'random-faults', 'outages', 'resume', 'sealed', 'security', 'sources-and-sinks'].map(
    (name) => `packages/amst/test/${name}.test.ts`,
  ),
  'packages/cli/test/transfer.test.ts',
]
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '1000' },
    sessions: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(`faults: tests of faults at full size

  --kills N     of each end of a transfer, by SIGKILL at random bytes (1000)
  --rounds N    objects through random cuts, outages, stalls, half-open streams and flipped bits, in plaintext and over TLS (1000)
  --sessions N  opened, used and closed, one in ten over TLS (10000)
  --seed N      of all that is random (by the clock)
  --json        vitest's report`)
  process.exit(0)
}
for (const name of ['kills', 'rounds', 'sessions', 'seed']) {
  if (/^\d+$/.test(values[name])) continue
  console.error(`faults: --${name} ${values[name]}: write a whole number`)
  process.exit(2)
}
const { kills, rounds, sessions, seed } = values
if (!values.json) console.log(`faults: ${kills} kills of each end, ${rounds} rounds, ${sessions} sessions, seed ${seed}`)
const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--reporter',
    values.json ? 'json' : 'verbose',
    '--no-file-parallelism',
    ...FILES,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, DWCP_TRANSFER_KILLS: kills, DWCP_FAULTS: rounds, DWCP_SESSIONS: sessions, DWCP_SEED: seed },
  },
)
process.exitCode = status ?? 1
