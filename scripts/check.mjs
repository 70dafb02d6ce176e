// Every gate, one after the other, each to its end, with its time; fails when any does.
import { performance } from 'node:perf_hooks'
import { show } from './workspace.mjs'

const GATES = ['lint', 'typecheck', 'check:deps', 'check:unused', 'check:api', 'check:exports', 'check:pack']

const results = GATES.map((gate) => {
  console.log(`\n--- ${gate}`)
  const startMs = performance.now()
  const code = show('pnpm', ['--silent', 'run', gate])
  return { gate, code, seconds: (performance.now() - startMs) / 1000 }
})

console.log('')
for (const { gate, code, seconds } of results)
  console.log(`${code === 0 ? 'passed' : 'FAILED'}  ${gate.padEnd(14)} ${seconds.toFixed(1)} s`)
process.exitCode = results.some(({ code }) => code !== 0) ? 1 : 0
