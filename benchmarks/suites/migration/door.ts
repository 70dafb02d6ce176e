import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Address } from '@dwcp/interface'

/** What a client asks; the same client and sequence again is the same request, answered once. */
export interface DoorRequest {
  readonly workload: string
  readonly client: string
  readonly sequence: number
  readonly payload: Uint8Array
}

/** As they stand on the wire, one JSON text a line, bytes in base64. */
type WireRequest = Omit<DoorRequest, 'payload'> & { readonly payload: string }
type WireAnswer = { readonly answer: string } | { readonly elsewhere: string }

/** Between two questions while the workload runs nowhere, so that asking takes no CPU from the move. */
const RETRY_MS = 1

/** Where clients reach a plain node. `answer` rejects for what does not run here: the client then asks the other node. */
export async function openDoor(host: string, answer: (request: DoorRequest) => Promise<Uint8Array>): Promise<{ readonly port: number }> {
  const server = createServer({ noDelay: true }, (socket) => {
    // A client that is gone has nothing to hear.
    socket.on('error', () => socket.destroy())
    const say = (reply: WireAnswer): boolean => socket.writable && socket.write(`${JSON.stringify(reply)}\n`)
    createInterface({ input: socket }).on('line', (line) => {
      const request: WireRequest = JSON.parse(line)
      answer({ ...request, payload: Buffer.from(request.payload, 'base64') }).then(
        (bytes) => say({ answer: Buffer.from(bytes).toString('base64') }),
        (error: unknown) => say({ elsewhere: String(error) }),
      )
    })
  })
  server.listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on TCP')
  return { port: address.port }
}

/** A client of plain nodes: asks the one that answered last, then the other one, until one answers. */
export async function connectDoors(doors: readonly Address[]): Promise<(workload: string, payload: Uint8Array) => Promise<Uint8Array>> {
  const lines = await Promise.all(
    doors.map(async ({ host, port }) => {
      const socket = connect({ host, port, noDelay: true })
      await once(socket, 'connect')
      return { socket, answers: createInterface({ input: socket })[Symbol.asyncIterator]() }
    }),
  )
  const client = `outside-${process.pid}`
  let current = 0
  let sequence = 0
  return async (workload, payload) => {
    const request: WireRequest = { workload, client, sequence: ++sequence, payload: Buffer.from(payload).toString('base64') }
    // Bounded by the harness, which gives up a run that takes too long.
    for (;;) {
      const line = lines[current]
      if (line === undefined) throw new TypeError('a client needs a door')
      line.socket.write(`${JSON.stringify(request)}\n`)
      const said = await line.answers.next()
      if (said.done) throw new Error('a node hung up')
      const answer: WireAnswer = JSON.parse(said.value)
      if ('answer' in answer) return Buffer.from(answer.answer, 'base64')
      current = (current + 1) % lines.length
      await delay(RETRY_MS)
    }
  }
}
