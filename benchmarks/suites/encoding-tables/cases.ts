import type { SuiteResult } from '../../harness/run-suite.js'

type Of = (caseName: string) => boolean

const RELEASES = ['git', 'postgresql', 'typescript', 'vite']

/** Which cases are of one kind, by their names: those of pairs that are built, and of those that somebody put beside them. */
export const CASES: Readonly<Record<'guests' | 'siblings' | 'disks' | 'releases' | 'state', Of>> = {
  guests: (name) => /\bguest\b.*, \d+ to \d+ s$/.test(name),
  siblings: (name) => name.includes(' given '),
  disks: (name) => name.startsWith('disk '),
  releases: (name) => RELEASES.includes(name) || name.startsWith('release '),
  state: (name) => name.startsWith('state ') || /^(?:cluster log|node documents)/.test(name),
}

/** Names of the measured cases that hold for `of`, in the order of the result. */
export function casesOf(result: SuiteResult | undefined, of: Of): readonly string[] {
  return Object.keys(result?.data ?? {}).filter(of)
}
