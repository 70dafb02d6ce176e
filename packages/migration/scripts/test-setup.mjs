// Before the tests of this package: what they start from dist/ is as new as the source.
import { buildWorker } from './build-worker.mjs'
import { buildWorkloads } from './build-workloads.mjs'

export async function setup() {
  await buildWorker()
  await buildWorkloads()
}
