import type { Socket } from 'node:net'
import type { Clock } from '@dwcp/interface'
import type { TcpSession } from '../session.js'
import { DatagramPath } from './path.js'
import type { DatagramSecret } from './seal.js'
import { DatagramSocket } from './socket.js'

/** Gives a session datagrams over a port that others share: the listener's half. */
export function routeDatagrams(session: TcpSession, socket: DatagramSocket, secret: DatagramSecret, clock: Clock): void {
  const path = new DatagramPath({
    clock,
    secret,
    sharedForged: socket.forged,
    transmit: (datagram, to) => socket.send(datagram, to),
    deliver: (body) => session.takeDatagram(body),
  })
  const route = socket.route(secret.tag, path.take)
  session.carryDatagrams(path)
  void session.closed.then(() => route[Symbol.dispose]())
}

/** Gives a session datagrams over a port of its own: the caller's half. `port` is the listener's, 0: the one that was called. */
export async function dialDatagrams(
  session: TcpSession,
  { remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>,
  port: number,
  secret: DatagramSecret,
  clock: Clock,
): Promise<void> {
  if (remoteAddress === undefined || remotePort === undefined) return
  const socket = await DatagramSocket.open(remoteAddress.includes(':') ? '::' : '0.0.0.0', 0)
  if (!socket) return
  if (session.isOver) return socket[Symbol.dispose]()
  const path = new DatagramPath({
    clock,
    secret,
    remote: { address: remoteAddress, port: port === 0 ? remotePort : port },
    sharedForged: socket.forged,
    transmit: (datagram, to) => socket.send(datagram, to),
    deliver: (body) => session.takeDatagram(body),
  })
  socket.route(secret.tag, path.take)
  session.carryDatagrams(path)
  void session.closed.then(() => socket[Symbol.dispose]())
}
