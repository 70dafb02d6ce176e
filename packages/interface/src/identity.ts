/** A node's lasting name, bound to its current key by a certificate. Keys rotate, names stay; the v1 rollout bucket uses the name. */
export type NodeId = string
/** Digest of a public key. */
export type KeyId = string
/** The lasting name of a cluster; certificates and signatures of another one are worth nothing here. */
export type ClusterId = string
/** What a signature is for; part of the signed bytes, so that a signature made for one purpose proves nothing for another. */
export type SigningDomain = string
/** `<algorithm>:<lower-case hex>`, for example `sha-256:9f86…`; equal strings are equal digests. */
export type Digest = `${DigestAlgorithm}:${string}`
/** `xxh3-128` finds accidents only; content addresses shared with peers that are not trusted use `sha-256` or `blake3`. `pages-*` is the root of a page tree, `blocks-*` the digest of the digests of all blocks. */
export type DigestAlgorithm = 'xxh3-128' | 'sha-256' | 'blake3' | 'pages-xxh3-128' | 'blocks-xxh3-128'

/** PEM texts for mutual TLS 1.3. */
export interface TlsCredentials {
  readonly key: string
  readonly cert: string
  /** The authorities whose certificates are accepted. */
  readonly ca: string
}

/** What this node signs and connects with. */
export interface Identity {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  sign(domain: SigningDomain, message: Uint8Array): Promise<Uint8Array>
  credentials(): TlsCredentials
  /** New credentials each time the key or certificate is replaced; open sessions go on. */
  rotations(): AsyncIterable<TlsCredentials>
}

/** Trust is configured, never inferred from how fast a link is (DESIGN § 3). */
export type TrustDomain = 'trusted' | 'untrusted'

/** Who is at the other end. */
export interface Principal {
  readonly nodeId: NodeId
  /** Absent where nothing was proved: a plaintext peer only claims its name. */
  readonly keyId?: KeyId
  readonly roles: readonly string[]
  readonly domain: TrustDomain
}

/** A message and what is claimed of it, before anybody has verified it. */
export interface SignedItem {
  readonly signer: NodeId
  readonly domain: SigningDomain
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** A permission asked for, such as `workload.migrate` on `workload:w1`. */
export interface Action {
  readonly verb: string
  readonly resource: string
}
/** The answer to an {@link Action}, with the reason that a log or a person is shown. */
export interface Decision {
  readonly allowed: boolean
  readonly reason: string
}

/** An administrative act: nothing else changes trust. */
export type TrustChange =
  | { readonly kind: 'admitted' | 'revoked'; readonly nodeId: NodeId; readonly keyId: KeyId }
  | { readonly kind: 'role'; readonly nodeId: NodeId; readonly roles: readonly string[] }

/** security → amst, acp, ass. Who is known here, and what they may do. */
export interface TrustStore {
  readonly cluster: ClusterId
  /** Who is this? `chain` is DER, leaf first. Throws `ERR_SECURITY_*`. */
  authenticate(chain: readonly Uint8Array[], nowMs: number): Principal
  /** Batched, off the main thread. */
  verify(items: readonly SignedItem[]): Promise<readonly boolean[]>
  authorize(principal: Principal, action: Action): Decision
  report(evidence: Evidence): void
  /** A revocation cuts sessions now. */
  changes(): AsyncIterable<TrustChange>
}

/** What a transport asks of an {@link Identity}: what it proves itself with, now and from each replacement on. */
export type CredentialSource = Pick<Identity, 'credentials' | 'rotations'>

/** What a transport asks of a {@link TrustStore}: whom to let in, and whom no longer. */
export type PeerTrust = Pick<TrustStore, 'authenticate' | 'changes'>

/** A proof that anyone can check, such as two signed, conflicting messages. */
export interface Evidence {
  readonly accused: NodeId
  readonly kind: string
  readonly items: readonly SignedItem[]
}

/** acp, ass → security. */
export interface EvidenceSink {
  report(evidence: Evidence): void
}
