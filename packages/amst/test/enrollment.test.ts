import { once } from 'node:events'
import { type ConnectionOptions, connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import { DwcpError } from '@dwcp/interface'
import { expect, onTestFinished, test } from 'vitest'
import { encodeHello, type Hello } from '../src/hello.ts'
import { type ListenOptions, listen, requestEnrollment, type Server } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { until } from './pair.ts'

const authority = await createAuthority()
const tls = await authority.credentials('b')
const echo = async (request: string): Promise<string> => `for ${request}`

async function serve(options: Partial<ListenOptions> = {}): Promise<Server> {
  const server = await listen({ nodeId: 'b', tls, enroll: echo, ...options })
  onTestFinished(() => server.destroy())
  return server
}

/** A connection without a certificate, and all that came back once it is over. */
async function anonymous({ address }: Pick<Server, 'address'>, options: ConnectionOptions = {}) {
  const socket = connectTls({ port: address.port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  onTestFinished(() => void socket.destroy())
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part)).on('error', () => undefined)
  const over = new Promise<string>((resolve) => void socket.once('close', () => resolve(Buffer.concat(parts).toString('latin1'))))
  await once(socket, 'secureConnect')
  return { socket, over }
}

test('both ends see the same binding, another on each connection, and the caller sees whose certificate it is', async () => {
  const theirs: string[] = []
  const mine: string[] = []
  const server = await serve({
    enroll: async (request, binding) => {
      theirs.push(Buffer.from(binding).toString('hex'))
      return request.repeat(1_000_000)
    },
  })
  for (const letter of ['x', 'y']) {
    const answer = await requestEnrollment(server.address, {
      request: async (chain, binding) => {
        expect(chain.length).toBeGreaterThan(0)
        mine.push(Buffer.from(binding).toString('hex'))
        return letter
      },
    })
    expect(answer).toBe(letter.repeat(1_000_000))
  }
  expect(mine).toEqual(theirs)
  expect(new Set(mine).size).toBe(2)
})

test('of why it was refused a caller is told the code alone', async () => {
  const server = await serve({ enroll: () => Promise.reject(new DwcpError('ERR_THEIR_OWN', 'a secret of /their/disk')) })
  const asked = requestEnrollment(server.address, { request: async () => 'me' })
  await expect(asked).rejects.toMatchObject({
    code: 'ERR_AMST_REJECTED',
    details: { peerCode: 'ERR_THEIR_OWN' },
    message: expect.not.stringContaining('secret'),
  })
})

test('a listener that enrolls nobody says so', async () => {
  const server = await listen({ nodeId: 'b', tls })
  onTestFinished(() => server.destroy())
  await expect(requestEnrollment(server.address, { request: async () => 'me' })).rejects.toMatchObject({ code: 'ERR_AMST_TLS' })
})

const allowance = {
  chunkBytes: 1,
  initialWindowBytes: 1,
  objectWindowBytes: 1,
  openObjects: 1,
  metadataBytes: 1,
  messageBytes: 1,
  pendingRequests: 1,
  reconnectMs: 0,
}
test.each<Hello>([
  { kind: 'open', node: 'a', instance: new Uint8Array(16), streams: 1, allowance, previous: new Uint8Array(8), versions: [1, 1] },
  { kind: 'join', secret: new Uint8Array(16), index: 1 },
  { kind: 'seal', tag: new Uint8Array(8), index: 1, serial: 1 },
  { kind: 'joined' },
])('without a certificate "$kind" is refused, and no session opens', async (hello) => {
  const server = await serve()
  const { socket, over } = await anonymous(server)
  socket.write(encodeHello(hello))
  expect(await over).toContain('ERR_AMST_TLS')
})

test('what is no hello, is too long, or goes on behind the request is not heard', async () => {
  let heard = 0
  const server = await serve({
    enroll: async () => {
      heard += 1
      return 'x'
    },
  })
  const enroll = encodeHello({ kind: 'enroll', request: 'x' })
  const tooLong = Buffer.from(enroll)
  tooLong.writeUInt16BE(4097, 6)
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), tooLong, Buffer.concat([enroll, Buffer.alloc(100)])]) {
    const { socket, over } = await anonymous(server)
    socket.write(bytes)
    expect(await over).not.toContain('lengthBytes')
  }
  expect(heard).toBe(0)
})

test('who asks nothing, or does not take the answer, is cut off in time', async () => {
  const server = await serve({ limits: { handshakeTimeoutMs: 300 }, enroll: async () => 'x'.repeat(8 << 20) })
  const silent = await anonymous(server)
  const slow = await anonymous(server)
  slow.socket.pause()
  slow.socket.write(encodeHello({ kind: 'enroll', request: 'x' }))
  expect(await silent.over).toBe('')
  slow.socket.resume()
  expect((await slow.over).length).toBeLessThan(8 << 20)
})

test('a flood is heard one at a time, within bounds, and whoever has gone is not heard', async () => {
  let running = 0
  let most = 0
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let heard = 0
  const server = await serve({
    enroll: async () => {
      heard += 1
      running += 1
      most = Math.max(most, running)
      await gate
      running -= 1
      return 'x'
    },
  })
  const outcomes: (string | undefined)[] = []
  const callers = Array.from({ length: 70 }, async () => {
    const caller = await anonymous(server)
    caller.socket.write(encodeHello({ kind: 'enroll', request: 'x' }))
    void caller.over.then((said) => outcomes.push(/ERR_AMST_LIMIT/.exec(said)?.[0]))
    return caller
  })
  const all = await Promise.all(callers)
  await until(() => outcomes.length === 6)
  expect(outcomes).toEqual(Array.from({ length: 6 }, () => 'ERR_AMST_LIMIT'))
  for (const { socket } of all) socket.destroy()
  await until(() => outcomes.length === 70)
  // Until the listener has seen them go.
  await new Promise((resolve) => void setTimeout(resolve, 100))
  release()
  expect(await requestEnrollment(server.address, { request: async () => 'me' })).toBe('x')
  expect([heard, most]).toEqual([2, 1])
})

test('an answer that is cut short, too long or of another kind is refused', async () => {
  const answers = [
    Buffer.concat([encodeHello({ kind: 'enrolled', lengthBytes: 5 }), Buffer.from('1234')]),
    Buffer.concat([encodeHello({ kind: 'enrolled', lengthBytes: 5 }), Buffer.from('123456')]),
    encodeHello({ kind: 'enrolled', lengthBytes: (8 << 20) + 1 }),
    encodeHello({ kind: 'joined' }),
  ]
  const fake = createServer({ ...tls, minVersion: 'TLSv1.3' }, (socket: TLSSocket) => {
    socket.on('error', () => undefined).once('data', () => void socket.end(answers.shift() ?? ''))
  })
  fake.listen(0, '127.0.0.1')
  await once(fake, 'listening')
  onTestFinished(() => void fake.close())
  const address = fake.address()
  if (address === null || typeof address === 'string') throw new TypeError('no address')
  while (answers.length > 0) {
    const asked = requestEnrollment({ host: '127.0.0.1', port: address.port }, { request: async () => 'me' })
    await expect(asked).rejects.toMatchObject({ code: 'ERR_AMST_HANDSHAKE' })
  }
})
