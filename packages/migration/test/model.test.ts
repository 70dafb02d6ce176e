import { expect, test } from 'vitest'
import { openTransferModel } from './model.ts'

/** What goes wrong in one run at most: every way and every place is tried. With 3 it is about 42,000 runs and half a minute. */
const DEVIATIONS = Number(process.env['DWCP_DEVIATIONS'] ?? 2)
const MAX_STEPS = 150

interface Choice {
  readonly step: number
  readonly deviation: number
}

/** Runs to its rest, and says at each step after the last choice how many deviations there were. */
async function run(choices: readonly Choice[]): Promise<{ readonly branches: readonly Choice[]; readonly steps: number }> {
  const model = openTransferModel()
  const branches: Choice[] = []
  const last = choices.at(-1)?.step ?? -1
  const fail = (problem: string): never => {
    throw new Error(`${problem}\n${JSON.stringify(choices)}\n${model.trace.join('\n')}`)
  }
  let isAtRest = false
  let step = 0
  for (; step < MAX_STEPS && !isAtRest; step++) {
    await model.settle()
    const problem = model.problem(false)
    if (problem !== undefined) fail(problem)
    const deviations = model.deviations()
    const chosen = choices.find((choice) => choice.step === step)
    if (step > last) deviations.forEach((_, deviation) => branches.push({ step, deviation }))
    if (chosen === undefined) isAtRest = !model.advance()
    else deviations[chosen.deviation]?.do()
  }
  const problem = isAtRest ? model.problem(true) : 'it does not come to rest'
  if (problem !== undefined) fail(problem)
  return { branches, steps: step }
}

test(`a transfer in which ${DEVIATIONS} things go wrong, anywhere, ends with one owner`, async () => {
  let runs = 0
  const explore = async (choices: readonly Choice[]): Promise<void> => {
    const { branches } = await run(choices)
    runs++
    if (choices.length === DEVIATIONS) return
    for (const branch of branches) await explore([...choices, branch])
  }
  await explore([])
  if (DEVIATIONS >= 2) expect(runs).toBeGreaterThan(1000)
}, 120_000)
