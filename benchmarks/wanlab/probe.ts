import { createSocket } from 'node:dgram'

/**
 * UDP probe, run on one side of a lab: `echo PORT` sends everything back; `rtt HOST PORT COUNT` prints round trips in ms as JSON;
 * `ping HOST PORT EVERY_MS SECONDS` sends evenly and prints the round trips of what came back;
 * `flood HOST PORT BYTES PER_SECOND SECONDS` sends datagrams evenly; `sink PORT QUIET_MS` prints what arrived until that long a silence.
 * Each server prints `ready` first.
 */
const [verb, ...rest] = process.argv.slice(2)
const [first = '', second = '', third = '', fourth = '', fifth = ''] = rest
if (verb === 'echo') echo(Number(first))
else if (verb === 'rtt') await roundTrips(first, Number(second), Number(third))
else if (verb === 'ping') await ping(first, Number(second), Number(third), Number(fourth))
else if (verb === 'flood') await flood(first, Number(second), Number(third), Number(fourth), Number(fifth))
else if (verb === 'sink') sink(Number(first), Number(second))
else throw new TypeError(`unknown probe ${verb}`)

function echo(port: number): void {
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => socket.send(message, from.port, from.address))
  socket.bind(port, () => console.log('ready'))
}

async function roundTrips(host: string, port: number, count: number): Promise<void> {
  const socket = createSocket('udp4')
  const samplesMs: number[] = []
  for (let i = 0; i < count; i++) {
    const answered = new Promise((resolve) => socket.once('message', resolve))
    const sentMs = performance.now()
    socket.send(Buffer.alloc(32, i), port, host)
    await answered
    samplesMs.push(performance.now() - sentMs)
  }
  socket.close()
  console.log(JSON.stringify(samplesMs))
}

async function ping(host: string, port: number, everyMs: number, seconds: number): Promise<void> {
  const socket = createSocket('udp4')
  const samplesMs: number[] = []
  socket.on('message', (message) => samplesMs.push(performance.now() - message.readDoubleBE()))
  const endMs = performance.now() + seconds * 1000
  while (performance.now() < endMs) {
    const message = Buffer.alloc(32)
    message.writeDoubleBE(performance.now())
    socket.send(message, port, host)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
  // For the last ones.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  socket.close()
  console.log(JSON.stringify(samplesMs))
}

async function flood(host: string, port: number, bytes: number, perSecond: number, seconds: number): Promise<void> {
  const socket = createSocket({ type: 'udp4', sendBufferSize: 4 * 1024 * 1024 })
  await new Promise<void>((resolve) => socket.connect(port, host, resolve))
  const payload = Buffer.alloc(bytes - 28, 0x5a)
  const startMs = performance.now()
  let sent = 0
  while (sent < perSecond * seconds) {
    const due = Math.min(perSecond * seconds, ((performance.now() - startMs) / 1000) * perSecond)
    for (; sent < due; sent++) socket.send(payload)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  socket.close()
  console.log(JSON.stringify({ sent }))
}

function sink(port: number, quietMs: number): void {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  let datagrams = 0
  let bytes = 0
  let firstMs = 0
  let lastMs = 0
  let silence: NodeJS.Timeout | undefined
  socket.on('message', (message) => {
    lastMs = performance.now()
    if (datagrams++ === 0) firstMs = lastMs
    bytes += message.length + 28
    silence ??= setTimeout(finish, quietMs)
    silence.refresh()
  })
  socket.bind(port, () => console.log('ready'))
  const finish = (): void => {
    socket.close()
    console.log(JSON.stringify({ datagrams, bytes, seconds: (lastMs - firstMs) / 1000 }))
  }
}
