import type { Workload } from '@dwcp/interface'
import { createWasmDriver, loadWorkload, type WasmWorkload } from '@dwcp/migration'
import { openDoor } from './door.js'
import type { SuiteNode } from './node-messages.js'
import { receiveCopies, stopAndCopy } from './stop-and-copy.js'

/** A node that knows nothing but to run a workload, to answer for it and to stop and copy it. */
export async function openPlainNode(id: string, host: string): Promise<SuiteNode> {
  const driver = createWasmDriver()
  const running = new Map<string, WasmWorkload>()
  let sequence = 0
  const here = (workload: string): WasmWorkload => {
    const found = running.get(workload)
    if (found === undefined) throw new Error(`${workload} does not run on ${id}`)
    return found
  }
  const arrived = (workload: Workload): void => {
    if (!isWasm(workload)) throw new TypeError('only WebAssembly workloads are moved here')
    running.set(workload.id, workload)
  }
  const door = await openDoor(host, async ({ workload, ...request }) => here(workload).request(request))
  const copies = await receiveCopies(host, id, driver, arrived)
  return {
    address: { host, port: copies.port },
    door: { host, port: door.port },
    async run(workload) {
      const started = await driver.run({ id: workload, module: await loadWorkload('simulation'), seed: 1 })
      await started.start()
      running.set(workload, started)
    },
    request: async (workload, payload) => here(workload).request({ client: `inside-${id}`, sequence: ++sequence, payload }),
    async move(workload, to) {
      try {
        return await stopAndCopy(here(workload), to)
      } finally {
        running.delete(workload)
      }
    },
    async end(workload) {
      await here(workload).close()
      running.delete(workload)
    },
  }
}

function isWasm(workload: Workload): workload is WasmWorkload {
  return 'request' in workload
}
