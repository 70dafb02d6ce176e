import type { SuiteResult } from '../../harness/run-suite.js'
import { CASES, casesOf } from './cases.js'
import { type ContenderFigures, contendersOf, figureOf, short, table } from './figures.js'

/** One line of what is to be reached, for one case and one of ours. */
export interface Goal {
  readonly what: string
  readonly data: string
  readonly by: string
  readonly measured: string
  /** What was measured first of all; NaN where it was not, and then the goal has no line. */
  readonly value: number
  readonly must: string
  readonly aim: string
  readonly mustMet: boolean
  readonly aimMet: boolean
  /** The same of the work without its process, where that was measured. */
  readonly inside?: Met
}

type Met = Pick<Goal, 'mustMet' | 'aimMet'>

/** The pair on which wire bytes are compared with the programs that keep or synchronise versions. */
const WIRE_PAIR = 'redis guest, 0 to 5 s'
const DIRTY_RATIO_MOST = 0.07

/** The results that the goals are looked up in; absent where nothing is kept. */
export interface GoalResults {
  readonly delta?: SuiteResult | undefined
  readonly encoding?: SuiteResult | undefined
  readonly choice?: SuiteResult | undefined
  readonly fallback?: SuiteResult | undefined
}

/** All lines whose figures are kept, in the order of the goals; what was not measured has no line. */
export function goalsOf({ delta, encoding, choice, fallback }: GoalResults): readonly Goal[] {
  const goals = [
    ...casesOf(encoding, CASES.guests).map((name) => memoryBytes(name, contendersOf(encoding, name), 'hybrid', 'wire bytes')),
    ...casesOf(delta, CASES.guests).map((name) => memoryBytes(name, contendersOf(delta, name), 'dwcp delta balanced', 'bytes')),
    ...casesOf(encoding, CASES.guests).flatMap((name) =>
      memorySpeed(name, contendersOf(encoding, name), encoding?.data[name]?.changedRatio),
    ),
    ...casesOf(encoding, CASES.siblings).flatMap((name) =>
      ['hybrid', 'internet'].map((by) => sibling(name, contendersOf(encoding, name), by)),
    ),
    ...casesOf(delta, CASES.disks).flatMap((name) => disk(name, contendersOf(delta, name))),
    ...casesOf(delta, CASES.releases).flatMap((name) => release(name, contendersOf(delta, name))),
    ...casesOf(delta, CASES.state).map((name) => documents(name, contendersOf(delta, name))),
    ...casesOf(delta, (name) => name === WIRE_PAIR).flatMap((name) => wireBytes(name, contendersOf(delta, name))),
    ...casesOf(fallback, () => true).flatMap((name) => withoutAddon(name, contendersOf(fallback, name))),
    ...casesOf(choice, () => true).map((name) => learnedChoice(name, contendersOf(choice, name))),
  ]
  return goals.filter(({ value }) => !Number.isNaN(value))
}

export function goalsTable(goals: readonly Goal[]): string {
  if (goals.length === 0) return 'Not measured yet.'
  const verdict = ({ mustMet, aimMet }: Met): string => (aimMet ? 'aim' : mustMet ? 'must' : '**no**')
  const both = (goal: Goal): string => verdict(goal) + (goal.inside === undefined ? '' : `, in process ${verdict(goal.inside)}`)
  return table(
    ['what', 'data', 'by', 'measured', 'must', 'aim', 'met'],
    goals.map((goal) => [goal.what, goal.data, goal.by, goal.measured, goal.must, goal.aim, both(goal)]),
  )
}

function memoryBytes(data: string, contenders: readonly ContenderFigures[], by: string, metric: string): Goal {
  const ratio = figureOf(contenders, by, metric) / figureOf(contenders, 'zstd -3', metric)
  const what = 'bytes of a memory / zstd -3'
  return {
    what,
    data,
    by,
    measured: `${short(ratio)}×`,
    value: ratio,
    must: '0.88×',
    aim: '0.75×',
    mustMet: ratio <= 0.88,
    aimMet: ratio <= 0.75,
  }
}

function memorySpeed(data: string, contenders: readonly ContenderFigures[], changedRatio: number | undefined): readonly Goal[] {
  const encode = figureOf(contenders, 'hybrid', 'encode')
  const apply = (by: string): Goal => {
    const speed = figureOf(contenders, by, 'apply')
    const what = 'apply, GB/s of changed pages'
    return { what, data, by, measured: short(speed), value: speed, must: '1', aim: '2', mustMet: speed >= 1, aimMet: speed >= 2 }
  }
  const what = 'encode, GB/s of RAM'
  const line: Goal = {
    what,
    data,
    by: 'hybrid',
    measured: short(encode),
    value: encode,
    must: '2',
    aim: '4',
    mustMet: encode >= 2,
    aimMet: encode >= 4,
  }
  return [...((changedRatio ?? 1) <= DIRTY_RATIO_MOST ? [line] : []), apply('hybrid'), apply('hybrid, changed pages')]
}

function sibling(data: string, contenders: readonly ContenderFigures[], by: string): Goal {
  const bytes = figureOf(contenders, by, 'wire bytes')
  const [what, measured] = ['first copy given a sibling', `${short(bytes / 1e6)} MB`]
  return { what, data, by, measured, value: bytes, must: '6.5 MB', aim: '5 MB', mustMet: bytes <= 6.5e6, aimMet: bytes <= 5e6 }
}

/** What `dwcp delta` at one level needs beside one peer, as a whole process and in process. */
interface Beside {
  /** Of the peer's. */
  readonly bytes: number
  readonly measured: string
  /** Whether `met` holds, with the shares of the peer's bytes and speed, and the speed itself. */
  readonly goal: (met: (bytes: number, speed: number, encode: number) => Met) => Met & Pick<Goal, 'inside'>
}

function beside(contenders: readonly ContenderFigures[], level: string, peer: string): Beside {
  const share = (by: string, metric: string): number => figureOf(contenders, by, metric) / figureOf(contenders, peer, metric)
  const [whole, inside] = [`dwcp delta ${level}`, `in process, ${level}`]
  const [bytes, speed, insideSpeed] = [share(whole, 'bytes'), share(whole, 'encode'), share(inside, 'encode')]
  return {
    bytes,
    measured: `${short(bytes)}× at ${short(speed)}× its speed (in process ${short(insideSpeed)}×)`,
    goal: (met) => ({
      ...met(bytes, speed, figureOf(contenders, whole, 'encode')),
      ...(Number.isNaN(insideSpeed) ? {} : { inside: met(bytes, insideSpeed, figureOf(contenders, inside, 'encode')) }),
    }),
  }
}

function disk(data: string, contenders: readonly ContenderFigures[]): readonly Goal[] {
  return ['fast', 'balanced'].map((level) => {
    const by = `dwcp delta ${level}`
    const bytes = figureOf(contenders, by, 'bytes')
    const { measured, goal } = beside(contenders, level, 'zstd -3')
    return {
      what: 'bytes of a disk image, beside zstd -3',
      data,
      by,
      measured: `${short(bytes / 1e6)} MB, ${measured}`,
      value: bytes,
      must: '1× (1.63 MB) at 3× its speed',
      aim: '0.8× (1.3 MB)',
      ...goal((share, speed) => ({ mustMet: share <= 1 && speed >= 3, aimMet: share <= 0.8 && speed >= 3 })),
    }
  })
}

function release(data: string, contenders: readonly ContenderFigures[]): readonly Goal[] {
  const quick = ['fast', 'balanced'].map((level): Goal => {
    const { bytes, measured, goal } = beside(contenders, level, 'zstd -3')
    const what = 'bytes of a release, beside zstd -3'
    const met = goal((share, speed) => ({ mustMet: share <= 1 && speed >= 2, aimMet: false }))
    return { what, data, by: `dwcp delta ${level}`, measured, value: bytes, must: '1× at 2× its speed', aim: '', ...met }
  })
  const best = contenders.filter(({ ours }) => !ours).toSorted((a, b) => bytesOf(a) - bytesOf(b))[0]
  if (best === undefined) return quick
  const { bytes, measured, goal } = beside(contenders, 'small', best.name)
  const speeds = ['dwcp delta small', 'in process, small'].map((by) => short(figureOf(contenders, by, 'encode')))
  return [
    ...quick,
    {
      what: 'bytes of a release, beside the best peer',
      data,
      by: 'dwcp delta small',
      measured: `${best.name}: ${measured}; ${speeds[0]} MB/s (${speeds[1]})`,
      value: bytes,
      must: '1× at 10× its speed',
      aim: '0.9× at 50 MB/s',
      ...goal((share, speed, encode) => ({ mustMet: share <= 1 && speed >= 10, aimMet: share <= 0.9 && encode >= 50 })),
    },
  ]
}

function documents(data: string, contenders: readonly ContenderFigures[]): Goal {
  const by = 'in process, documents in batches of 64'
  const bytes = figureOf(contenders, by, 'each document')
  const [what, measured] = ['bytes of a document whose former version is known', `${short(bytes)} B`]
  return { what, data, by, measured, value: bytes, must: '40 B', aim: '25 B', mustMet: bytes <= 40, aimMet: bytes <= 25 }
}

function wireBytes(data: string, contenders: readonly ContenderFigures[]): readonly Goal[] {
  const ours = figureOf(contenders, 'hde hybrid', 'bytes')
  return ['rsync -z', 'restic', 'borg', 'casync'].map((peer) => {
    const times = figureOf(contenders, peer, 'bytes') / ours
    const what = `bytes of ${peer} / ours`
    return {
      what,
      data,
      by: 'hde hybrid',
      measured: `${short(times)}×`,
      value: times,
      must: '6×',
      aim: '8×',
      mustMet: times >= 6,
      aimMet: times >= 8,
    }
  })
}

function learnedChoice(data: string, contenders: readonly ContenderFigures[]): Goal {
  const [regret, above] = ['regret, mean', 'above the best fixed, worst pair'].map((metric) => figureOf(contenders, 'learned', metric))
  const met = (most: number, mostAbove: number): boolean => (regret ?? Number.NaN) <= most && (above ?? Number.NaN) <= mostAbove
  return {
    what: 'learned choice against an oracle',
    data,
    by: 'learned',
    measured: `${short(regret)} % regret, ${short(above)} % above the best fixed at worst`,
    value: regret ?? Number.NaN,
    must: '5 %, at most 3 % above',
    aim: '3 %, never above',
    mustMet: met(5, 3),
    aimMet: met(3, 0),
  }
}

function withoutAddon(data: string, contenders: readonly ContenderFigures[]): readonly Goal[] {
  return ['zstd frames', 'page frames', 'delta stream'].map((by) => {
    const share = figureOf(contenders, by, 'decode') / figureOf(contenders, 'fzstd', 'decode')
    const what = 'decoding without the addon, beside fzstd'
    return { what, data, by, measured: `${short(share)}×`, value: share, must: '0.8×', aim: '', mustMet: share >= 0.8, aimMet: false }
  })
}

function bytesOf({ values }: ContenderFigures): number {
  return values.get('bytes') ?? Number.POSITIVE_INFINITY
}
