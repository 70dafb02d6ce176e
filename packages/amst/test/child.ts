import { connect, createTransport, listen } from '../src/index.ts'

/** One end in a process of its own, to be killed. Tells its address, or that its object is under way. */
const [role, host = '', port = '0'] = process.argv.slice(2)

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1_000_000)
}

async function serve(): Promise<void> {
  const server = await listen({ nodeId: 'child', plaintext: true })
  process.send?.(server.address)
  for await (const session of server) {
    for await (const transfer of session.incoming)
      for await (const chunk of transfer.stream) if (chunk.byteLength > 0) process.send?.('receiving')
  }
}

async function call(): Promise<void> {
  const session = await connect({ host, port: Number(port) }, { nodeId: 'child', plaintext: true })
  await session.send({ stream: endless() })
}

async function node(): Promise<void> {
  const directory = { lookup: () => [], async *changes(): AsyncGenerator<string> {} }
  const transport = await createTransport({ self: 'child', directory, listen: { port: Number(port) }, plaintext: true })
  transport.receive('echo', (from, payload) => transport.send(from.nodeId, 'echo', payload))
  process.send?.(transport.address)
}

const roles: Readonly<Record<string, () => Promise<void>>> = { serve, call, node }
// The parent's end is the end.
process.on('disconnect', () => process.exit())
await roles[role ?? '']?.()
