// A key-value server moves from one node to another while a client talks to it.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectClient, formatAddress, kv, loadWorkload, startNode } from '@dwcp/core'

const directory = await mkdtemp(join(tmpdir(), 'dwcp-example-'))
const a = await startNode({ id: 'a', dataDirectory: join(directory, 'a'), plaintext: true })
const b = await startNode({ id: 'b', dataDirectory: join(directory, 'b'), plaintext: true })
await a.run(await loadWorkload('kv'), { id: 'store' })
const client = await connectClient({ nodes: [formatAddress(a.address), formatAddress(b.address)], plaintext: true })
await client.request('store', kv.put('greeting', new TextEncoder().encode('hello')))
const report = await a.migrate('store', b.address)
const { payload, node } = await client.request('store', kv.get('greeting'))
const greeting = new TextDecoder().decode(kv.decode(payload).value)
if (greeting !== 'hello' || node !== 'b') throw new Error(`"${greeting}" from ${node}`)
console.log(`${greeting} from ${node}, paused ${report.pausedMs.toFixed(1)} ms`)
for (const each of [client, a, b]) await each.close()
await rm(directory, { recursive: true })
