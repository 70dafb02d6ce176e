import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadWorkload, startNode, type WasmWorkload } from '@dwcp/core'
import type { SuiteNode } from './node-messages.js'

/** @dwcp/core, which measures the link and chooses by it; `v1`: 16 plain streams, changed 4 KiB blocks, zstd. */
export async function openCoreNode(id: string, host: string, style: 'v3' | 'v3 profile' | 'v1', directory: string): Promise<SuiteNode> {
  const flags = join(directory, `${id}-flags.json`)
  await writeFile(flags, JSON.stringify({ forceV1Mode: style === 'v1' }))
  const node = await startNode({
    id,
    dataDirectory: join(directory, id),
    listen: { host, port: 0 },
    flags,
    encodingChoice: style === 'v3 profile' ? 'profile' : 'learned',
    plaintext: 'trusted-network',
    // What one contender's nodes write after a migration would slow the next one's down.
    baselineStoreBytes: 0,
  })
  let sequence = 0
  const here = (workload: string): WasmWorkload => {
    const found = node.workload(workload)
    if (found === undefined) throw new Error(`${workload} does not run on ${id}`)
    return found
  }
  return {
    address: node.address,
    door: node.address,
    async run(workload) {
      await node.run(await loadWorkload('simulation'), { id: workload, seed: 1 })
    },
    request: async (workload, payload) => here(workload).request({ client: `inside-${id}`, sequence: ++sequence, payload }),
    async move(workload, to) {
      // A budget that the link cannot keep is no reason not to move: what it came to is measured.
      const { totalMs, rawBytes, wireBytes, rounds } = await node.migrate(workload, to, { exceedDowntime: true })
      return { totalMs, rawBytes, wireBytes, rounds: rounds.length }
    },
    end: (workload) => node.end(workload),
  }
}
