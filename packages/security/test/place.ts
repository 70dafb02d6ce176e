import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, TlsCredentials } from '@dwcp/interface'
import { onTestFinished } from 'vitest'
import { derOf, splitPem } from '../src/chain.ts'
import {
  type Authority,
  createAuthority,
  createTrustStore,
  installBundle,
  type NodeIdentity,
  type NodeTrust,
  openIdentity,
} from '../src/index.ts'

/** A directory of its own for one test. */
export function place(): string {
  const directory = mkdtempSync(join(tmpdir(), 'dwcp-security-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface TestClock extends Clock {
  advance(ms: number): void
}

/** Time that stands still unless told; timers are due when it passes them. */
export function testClock(nowMs: number = Date.now()): TestClock {
  const timers = new Set<{ readonly dueMs: number; readonly call: () => void }>()
  let now = nowMs
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    after(delayMs, call) {
      const timer = { dueMs: now + delayMs, call }
      timers.add(timer)
      return { [Symbol.dispose]: () => void timers.delete(timer) }
    },
    advance(ms) {
      now += ms
      for (const timer of [...timers]) if (timer.dueMs <= now && timers.delete(timer)) timer.call()
    },
  }
}

/** An operator's directory: authority and trust store of the cluster "lab". */
export interface Cluster {
  readonly directory: string
  readonly authority: Authority
  readonly trust: NodeTrust
  readonly clock: TestClock
  /** An identity elsewhere, certified and, unless told otherwise, admitted. */
  join(nodeId: string, options?: { readonly admitted?: boolean; readonly lifetimeMs?: number }): Promise<NodeIdentity>
}

export async function cluster(): Promise<Cluster> {
  const directory = place()
  const clock = testClock()
  const authority = await createAuthority(directory, { cluster: 'lab', clock })
  const trust = await createTrustStore(directory, { cluster: 'lab', authority: authority.certificates()[0] ?? '', clock })
  onTestFinished(() => trust[Symbol.dispose]())
  return {
    directory,
    authority,
    trust,
    clock,
    async join(nodeId, { admitted = true, lifetimeMs } = {}) {
      const home = place()
      const identity = await openIdentity(home, { nodeId, clock })
      const issued = await authority.issue(await identity.request(), lifetimeMs === undefined ? {} : { lifetimeMs })
      if (admitted) await trust.accept([await authority.admission(issued)])
      await installBundle(home, authority.bundle(issued.certificate, trust.statements()), { clock })
      onTestFinished(() => identity[Symbol.dispose]())
      return identity
    },
  }
}

/** What the other end of a TLS connection sees. */
export const chainOf = ({ cert }: Pick<TlsCredentials, 'cert'>): readonly Uint8Array[] => splitPem(cert).map(derOf)
