import type { Digest, NodeId, Principal } from './identity.js'

/** What a link is, by measurement (DESIGN § 3): a property of this node's link to one peer. */
export type NetworkMode = 'datacenter' | 'internet' | 'hybrid'

/** Whose bytes these are, from the most to the least urgent. */
export type TrafficClass = 'consensus' | 'migration' | 'sync' | 'bulk' | 'scavenger'
/** Every {@link TrafficClass}, the most urgent first. */
export const TRAFFIC_CLASSES: readonly TrafficClass[] = ['consensus', 'migration', 'sync', 'bulk', 'scavenger']

/** Where a node listens: a host name or an IP address, and a TCP port. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Name → addresses. Gossip implements it, amst takes it, a static list is the simplest one. */
export interface PeerDirectory {
  lookup(node: NodeId): readonly Address[]
  changes(): AsyncIterable<NodeId>
}

/** Bytes to send: known bytes, or a stream that ends. `lengthBytes` is absent where the length is not known beforehand. */
export type ByteSource = Uint8Array | { readonly lengthBytes?: number; readonly stream: AsyncIterable<Uint8Array> }

/** How far an object has come; `lengthBytes` is absent where the length is not known. */
export interface ObjectProgress {
  /** Bytes that the receiving application has taken. Told as soon as it has taken all that was sent, also while the source goes on. */
  readonly ackedBytes: number
  readonly lengthBytes?: number
}

/** What the sender of an object gets back once the receiver has verified it. */
export interface ObjectReceipt {
  readonly lengthBytes: number
  /** Digest over the object's bytes, verified by the receiver. */
  readonly digest: Digest
}

/** An object that is arriving. Its bytes are read once, in order; reading slowly slows the sender. */
export interface IncomingObject {
  readonly lengthBytes?: number
  /** Ends only after the whole object was verified; throws what broke it otherwise. */
  readonly stream: AsyncIterable<Uint8Array>
}

/** A peer came, went, or its path changed. */
export type PeerChange =
  | { readonly kind: 'up'; readonly peer: Principal }
  | { readonly kind: 'down'; readonly peer: Principal; readonly reason: string }
  | { readonly kind: 'path'; readonly peer: Principal; readonly rttMs: number; readonly mode: NetworkMode }

/** amst → acp, ass, migration. At most once, FIFO per (peer, channel) but for datagrams, sender authenticated where the session is, never blocks. */
export interface MessageTransport {
  readonly self: NodeId
  readonly maxMessageBytes: number
  /** 0: no datagrams (SWIM then uses messages: `datagram` changes nothing). */
  readonly maxDatagramBytes: number
  /**
   * Takes the payload over: it must not be changed afterwards. Opens a session where there is none.
   * A `datagram` may be lost on its way, overtake others and messages, and travel as a message where datagrams do not get through.
   * @returns false when dropped (queue full, peer cut off): retrying is the protocol's job. Expired messages are never sent.
   * @throws RangeError for a payload past `maxMessageBytes`, or past `maxDatagramBytes` where datagrams are offered.
   */
  send(
    to: NodeId,
    channel: string,
    payload: Uint8Array,
    options?: { readonly class?: TrafficClass; readonly expiresAtMs?: number; readonly datagram?: boolean },
  ): boolean
  /** One receiver per channel; a second one throws. The payload is yours to keep. */
  receive(channel: string, on: (from: Principal, payload: Uint8Array, atMs: number) => void): Disposable
  /**
   * Large things. Resolves when the receiver has verified every byte and its handler has resolved;
   * rejects when the handler threw (`ERR_AMST_REJECTED`; `details.peerCode` is the code of what it threw), when the peer is lost, or with `signal.reason`.
   */
  sendObject(
    to: NodeId,
    channel: string,
    object: ByteSource,
    options: { readonly class: TrafficClass; readonly signal?: AbortSignal; readonly onProgress?: (progress: ObjectProgress) => void },
  ): Promise<ObjectReceipt>
  /** One receiver per channel; a second one throws. An object on a channel without receiver is refused. */
  receiveObject(channel: string, on: (from: Principal, object: IncomingObject) => Promise<void>): Disposable
  /** First an `up` for each peer that is up, then changes. */
  peers(options?: { readonly signal?: AbortSignal }): AsyncIterable<PeerChange>
}
