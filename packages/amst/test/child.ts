import { join } from 'node:path'
import { connect, createTransport, fileSource, listen, openTransferJournal, type Session, type TransferJournal } from '../src/index.ts'

/** One end in a process of its own, to be killed. Tells its address, or that its object is under way. */
const [role, host = '', port = '0', name = '', goal = 'Infinity'] = process.argv.slice(2)

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

/** Saves what comes under its name, until its parent has had enough. */
async function keep(): Promise<void> {
  const journal = await openTransferJournal(join(host, 'journal'))
  const server = await listen({ nodeId: 'child', port: Number(port), plaintext: true })
  process.send?.(server.address)
  for await (const session of server) void keepAll(session, journal)
}

async function keepAll(session: Session, journal: TransferJournal): Promise<void> {
  for await (const transfer of session.incoming) {
    void transfer.saveTo(join(host, transfer.name), { journal }).then(
      (saved) => process.send?.(saved),
      () => undefined,
    )
  }
}

/** Sends a file under a key, and tells what it came to; dies once so many bytes were sent. */
async function give(): Promise<void> {
  const source = await fileSource(host)
  const session = await connect({ host: '127.0.0.1', port: Number(port) }, { nodeId: 'child', plaintext: true })
  const read = async (offset: number, lengthBytes: number): Promise<Uint8Array> => {
    if (session.stats().sentBytes >= Number(goal)) process.kill(process.pid, 'SIGKILL')
    return source.read(offset, lengthBytes)
  }
  const receipt = await session.send({ ...source, read }, { name, resume: name })
  process.send?.({ receipt, sentBytes: session.stats().sentBytes })
}

const roles: Readonly<Record<string, () => Promise<void>>> = { serve, call, node, keep, give }
// The parent's end is the end.
process.on('disconnect', () => process.exit())
await roles[role ?? '']?.()
