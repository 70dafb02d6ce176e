import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuthority } from './certificates.ts'
import { drawsFrom } from './draws.ts'
import { firstOf, pairThroughProxy } from './pair.ts'
import type { Proxy } from './proxy.ts'

const ROUNDS = Number(process.env['DWCP_FAULTS'] ?? 8)
const SEED = Number(process.env['DWCP_SEED'] ?? Date.now() % 1_000_000)
const STREAMS = 4
/** Short, so that silence is found out many times in a minute; an outage is shorter than what ends a session. */
const LIMITS = { keepAliveMs: 100, idleTimeoutMs: 500, reconnectMs: 20_000, chunkBytes: 262_144 }
const OUTAGE_MS = 800
const FAULTS_MOST = 5

const authority = await createAuthority()
const tls = { a: await authority.credentials('a'), b: await authority.credentials('b') }

type Fault = (proxy: Proxy, draw: () => number) => void
const index = (draw: () => number): number => Math.floor(draw() * STREAMS)
const FAULTS: Readonly<Record<string, Fault>> = {
  'a stream cut': (proxy, draw) => proxy.cutOne(index(draw)),
  'all streams cut, and nobody reached for a while': (proxy, draw) => {
    proxy.cut()
    setTimeout(() => proxy.heal(), draw() * OUTAGE_MS)
  },
  'a stall': (proxy, draw) => {
    const goOn = proxy.stall()
    setTimeout(goOn, draw() * OUTAGE_MS)
  },
  'a stream half open': (proxy, draw) => proxy.freezeOne(index(draw)),
}

test.each(['plaintext', 'TLS'])(
  `%s: objects arrive whole and once through ${ROUNDS} rounds of faults (seed ${SEED})`,
  { timeout: 30_000 + ROUNDS * 10_000 },
  async (kind) => {
    const draw = drawsFrom(SEED)
    for (let round = 0; round < ROUNDS; round += 1) {
      let flips = Math.floor(draw() * 4)
      let untilFlip = draw() * 3e6
      const damage = (bytes: Buffer): Buffer => {
        // Hellos pass whole: without TLS nothing could tell a damaged one from another peer's.
        if (bytes.byteLength < 4096 || flips === 0) return bytes
        untilFlip -= bytes.byteLength
        if (untilFlip > 0) return bytes
        untilFlip = draw() * 3e6
        flips -= 1
        const damaged = Buffer.from(bytes)
        const at = Math.floor(draw() * damaged.byteLength)
        damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(draw() * 8))
        return damaged
      }
      const { a, b, proxy } = await pairThroughProxy({ streams: STREAMS, limits: LIMITS, damage, ...(kind === 'TLS' ? { tls } : {}) })
      const bytes = randomBytes(1_000_000 + Math.floor(draw() * 9_000_000))
      const faults = Array.from({ length: 1 + Math.floor(draw() * FAULTS_MOST) }, () => ({
        atByte: draw() * bytes.byteLength,
        name: Object.keys(FAULTS)[Math.floor(draw() * Object.keys(FAULTS).length)] ?? '',
      })).toSorted((one, other) => one.atByte - other.atByte)
      const named = faults.map(({ name }) => name).join(', ')
      const sending = a.send(bytes)
      let objects = 0
      const others = async () => {
        for await (const _ of b.incoming) objects += 1
      }
      const transfer = await firstOf(b)
      void others()
      const parts: Uint8Array[] = []
      let arrived = 0
      for await (const part of transfer.stream) {
        parts.push(Uint8Array.from(part))
        arrived += part.byteLength
        while (faults[0] !== undefined && arrived >= faults[0].atByte) FAULTS[faults.shift()?.name ?? '']?.(proxy, draw)
      }
      transfer.complete()
      expect((await sending).lengthBytes, named).toBe(bytes.byteLength)
      expect(bytes.equals(Buffer.concat(parts)), named).toBe(true)
      expect(objects).toBe(0)
      a.destroy()
      b.destroy()
    }
  },
)
