import type { Workload } from '@dwcp/interface'
import { createMemoryDriver, type MemoryWorkload, workloadCompliance } from './index.ts'

const isMemory = (workload: Workload): workload is MemoryWorkload => 'steps' in workload
const memory = (workload: Workload): MemoryWorkload => {
  if (!isMemory(workload)) throw new TypeError(`${workload.id} is not a memory workload`)
  return workload
}

workloadCompliance('memory', async () => {
  const driver = createMemoryDriver()
  return {
    driver,
    run: async (id) => driver.run(id, 64),
    work: async (workload) => memory(workload).step(10),
    progress: async (workload) => memory(workload).steps,
    close: async () => undefined,
  }
})
