import type { Measurement, Metric } from '../../harness/suite.js'

/** `encode` is of all RAM, unchanged pages too; `apply` is of the pages that differ from what the receiver held. */
export function memoryMetrics(limits: NonNullable<Metric['limits']>): readonly Metric[] {
  return [
    { name: 'wire bytes', unit: 'B', better: 'lower', exact: true, limits },
    { name: 'encode', unit: 'GB of RAM/CPU-s', better: 'higher', exact: false },
    { name: 'apply', unit: 'GB of changed pages/CPU-s', better: 'higher', exact: false },
  ]
}

export interface MemoryCost {
  readonly wireBytes: number
  readonly encodeSeconds: number
  readonly decodeSeconds: number
}

export function memoryMeasurement(cost: MemoryCost, ramBytes: number, changedBytes: number): Measurement {
  return {
    'wire bytes': cost.wireBytes,
    encode: ramBytes / 1e9 / cost.encodeSeconds,
    apply: changedBytes / 1e9 / cost.decodeSeconds,
  }
}
