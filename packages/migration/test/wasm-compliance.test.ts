import { type WorkloadLab, workloadCompliance } from '@dwcp/compliance'
import { createWasmDriver, kv, loadWorkload, type WasmWorkload } from '../src/index.ts'

/** A key-value server into which each `work` puts one more key. */
async function open(): Promise<WorkloadLab> {
  const driver = createWasmDriver()
  const module = await loadWorkload('kv')
  const workloads: WasmWorkload[] = []
  let sequence = 0
  const ask = (workload: object, payload: Uint8Array): Promise<Uint8Array> => {
    if (!isWasm(workload)) throw new TypeError('not a workload of this driver')
    if (!workloads.includes(workload)) workloads.push(workload)
    return workload.request({ client: 'lab', sequence: ++sequence, payload })
  }
  return {
    driver,
    async run(id) {
      const workload = await driver.run({ id, module })
      workloads.push(workload)
      await workload.start()
      return workload
    },
    async work(workload) {
      await ask(workload, kv.put(`key ${sequence}`, new Uint8Array(5000).fill(sequence)))
    },
    progress: async (workload) => kv.decodeCount(await ask(workload, kv.count())),
    async close() {
      for (const workload of workloads) await workload.close()
    },
  }
}

function isWasm(workload: object): workload is WasmWorkload {
  return 'request' in workload
}

workloadCompliance('WebAssembly', open)
