/** What is measured. */
export interface Metric {
  /** As in {@link Measurement}. */
  readonly name: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  /** Whether the same input always gives the same figure (bytes, fsyncs, system calls), on any machine, however busy. */
  readonly exact: boolean
  /** Which quantile of the runs is the value. @defaultValue 0.5 */
  readonly quantile?: number
  /** Bound of ours / peer, by the name of ours, then of the peer; only exact figures may fail a run. */
  readonly limits?: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** What one run gave, by metric name. A run whose result was wrong throws instead. */
export type Measurement = Readonly<Record<string, number>>

/** What a case works on, so that a stranger can make the same. */
export interface DataNote {
  readonly kind: string
  readonly bytes: number
  /** Of single bytes, measured on the data or a sample of it; absent for data made while it runs. */
  readonly entropyBitsPerByte?: number
  readonly seed?: number
  /** Of its pages, how many differ from what the receiver held. */
  readonly changedRatio?: number
}

export interface Contender {
  readonly name: string
  /** false: a peer that ours is compared with. */
  readonly ours: boolean
  /** Takes minutes: runs once, with no warm-up, and has half an hour for it. */
  readonly slow?: true
  /** One run, its result checked. */
  run(): Promise<Measurement>
}

/** A case made ready: processes up, data made. */
export interface OpenCase extends AsyncDisposable {
  readonly data: DataNote
  readonly contenders: readonly Contender[]
}

export interface Case {
  readonly name: string
  readonly metrics: readonly Metric[]
  /** @defaultValue 3; 1 in the short form */
  readonly runs?: number
  /** Runs of each contender before those that count. @defaultValue 1; 0 in the short form */
  readonly warmups?: number
  open(context: SuiteContext): Promise<OpenCase>
}

export interface SuiteContext {
  /** Small data and one run: shows that everything works and is correct; its times mean nothing. */
  readonly short: boolean
  /** Whether a case of this name will run: data of others need not be made. */
  wanted(caseName: string): boolean
  /** Tells the reader what this run goes without, or what its figures include. */
  note(text: string): void
}

export interface Suite {
  readonly name: string
  /** One sentence. */
  readonly purpose: string
  /** Programs whose versions belong to the result. */
  readonly tools: readonly string[]
  cases(context: SuiteContext): Promise<readonly Case[]>
}
