import { createMemoryNetwork } from '@dwcp/compliance'
import type { Clock, MessageTransport, NodeId, Principal } from '@dwcp/interface'

export interface Weather {
  /** 0..1, of each message. */
  lossRatio: number
  duplicateRatio: number
  /** Each message is under way for up to this long, so that later ones overtake it. */
  delayMs: number
  /** 0..1, of each object: it breaks at a random byte, with the link, which comes back at once. */
  breakRatio: number
}

export interface StormNetwork {
  readonly weather: Weather
  /** A node's transport; `isAlive` false silences it for ever, what it had sent before still arrives. */
  join(self: NodeId, isAlive: () => boolean): StormTransport
  cut(a: NodeId, b: NodeId): void
  heal(a: NodeId, b: NodeId): void
}

export interface StormTransport extends MessageTransport {
  leave(): void
}

type OnMessage = (from: Principal, payload: Uint8Array, atMs: number) => void

/**
 * Worse than any transport may be: messages are lost, come twice, late, out of order and from processes long dead; objects
 * break anywhere. Objects themselves go over the network in memory of the compliance package.
 */
export function createStormNetwork(clock: Clock, random: (below: number) => number): StormNetwork {
  const objects = createMemoryNetwork({ clock })
  const receivers = new Map<NodeId, Map<string, OnMessage>>()
  const cuts = new Set<string>()
  const link = (a: NodeId, b: NodeId): string => [a, b].sort().join()
  const weather: Weather = { lossRatio: 0, duplicateRatio: 0, delayMs: 0, breakRatio: 0 }
  const chance = (ratio: number): boolean => random(1_000_000) < ratio * 1_000_000

  const deliver = (from: NodeId, to: NodeId, channel: string, payload: Uint8Array): void => {
    clock.after(1 + random(1 + weather.delayMs), () => {
      if (cuts.has(link(from, to))) return
      receivers.get(to)?.get(channel)?.({ nodeId: from, roles: [], domain: 'trusted' }, payload.slice(), clock.nowMs())
    })
  }

  return {
    weather,
    cut(a, b) {
      cuts.add(link(a, b))
      objects.cut(a, b)
    },
    heal(a, b) {
      cuts.delete(link(a, b))
      objects.heal(a, b)
    },
    join(self, isAlive) {
      const inner = objects.transport(self)
      const mine = new Map<string, OnMessage>()
      receivers.set(self, mine)
      return {
        self,
        maxMessageBytes: inner.maxMessageBytes,
        maxDatagramBytes: 0,
        send(to, channel, payload) {
          if (to === self) throw new RangeError('to itself')
          if (!isAlive() || cuts.has(link(self, to)) || chance(weather.lossRatio)) return false
          deliver(self, to, channel, payload)
          if (chance(weather.duplicateRatio)) deliver(self, to, channel, payload)
          return true
        },
        receive(channel, on) {
          mine.set(channel, (from, payload, atMs) => isAlive() && on(from, payload, atMs))
          return { [Symbol.dispose]: () => void mine.delete(channel) }
        },
        sendObject(to, channel, object, options) {
          if (object instanceof Uint8Array || !chance(weather.breakRatio)) return inner.sendObject(to, channel, object, options)
          const stream = broken(object.stream, random(80_000), () => {
            objects.cut(self, to)
            if (!cuts.has(link(self, to))) objects.heal(self, to)
          })
          return inner.sendObject(to, channel, { stream }, options)
        },
        receiveObject: (channel, on) => inner.receiveObject(channel, on),
        peers: (options) => inner.peers(options),
        leave() {
          if (receivers.get(self) === mine) receivers.delete(self)
          void inner.close()
        },
      }
    },
  }
}

async function* broken(
  stream: AsyncIterable<Uint8Array>,
  atByte: number,
  breakLink: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = 0
  for await (const piece of stream) {
    const rest = atByte - sent
    sent += piece.length
    if (sent >= atByte && rest >= 0) {
      yield piece.subarray(0, rest)
      breakLink()
    }
    yield piece
  }
}
