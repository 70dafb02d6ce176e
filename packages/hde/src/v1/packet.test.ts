import { constants } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeOf, noise, prose } from '../../test/support.ts'
import { decodeV1Packet, encodeV1Packet } from './packet.ts'

const ID = 'vm-1_memory'
const tiers = fc.constantFrom('local', 'regional', 'global')

/** An object and an older version of it: blocks changed, the end moved. */
const versions = fc
  .record({
    seed: fc.nat(),
    oldBytes: fc.nat({ max: 20_000 }),
    newBytes: fc.nat({ max: 20_000 }),
    changes: fc.array(fc.nat({ max: 20_000 }), { maxLength: 4 }),
  })
  .map(({ seed, oldBytes, newBytes, changes }) => {
    const content = seed % 2 === 0 ? noise(seed, 20_000) : prose(seed, 20_000)
    const object = content.slice(0, newBytes)
    for (const at of changes) if (at < newBytes) object[at] = (object[at] ?? 0) ^ 0xff
    return { old: content.slice(0, oldBytes), object }
  })

test('any object comes back, whole and as a delta of any other, at every tier', async () => {
  const property = fc.asyncProperty(versions, tiers, async ({ old, object }, tier) => {
    const whole = await decodeV1Packet(await encodeV1Packet(object, { tier }), { lengthBytes: object.length })
    expect(whole.tier).toBe(tier)
    expect(Buffer.compare(whole.bytes, object)).toBe(0)
    const packet = await encodeV1Packet(object, { tier, baseline: { id: ID, bytes: old } })
    const applied = await decodeV1Packet(packet, { baseline: (id) => (id === ID ? old : undefined), lengthBytes: object.length })
    expect(applied.baselineId).toBe(ID)
    expect(Buffer.compare(applied.bytes, object)).toBe(0)
  })
  await fc.assert(property, { numRuns: 150 })
})

test('what comes back shares no memory with the packet or the baseline', async () => {
  const old = prose(1, 10_000)
  const baseline = { id: ID, bytes: old }
  for (const packet of [await encodeV1Packet(old), await encodeV1Packet(old, { baseline })]) {
    const { bytes } = await decodeV1Packet(packet, { baseline: () => old })
    packet.fill(0)
    const before = old.slice()
    bytes.fill(0)
    expect(old).toEqual(before)
  }
})

test('a packet is the same from a view into a larger array', async () => {
  const object = prose(2, 9000)
  const packet = await encodeV1Packet(Buffer.concat([noise(1, 3), object]).subarray(3), { baseline: { id: ID, bytes: object } })
  const shifted = Buffer.concat([noise(2, 5), packet, noise(3, 5)]).subarray(5, 5 + packet.length)
  expect(Buffer.compare((await decodeV1Packet(shifted, { baseline: () => object })).bytes, object)).toBe(0)
})

test('an object at the limit is accepted, and one byte more is not', async () => {
  const old = prose(3, 5000)
  const baseline = (): Uint8Array => old
  for (const packet of [await encodeV1Packet(old), await encodeV1Packet(old, { baseline: { id: ID, bytes: old } })]) {
    expect((await decodeV1Packet(packet, { baseline, objectBytes: 5000 })).bytes).toHaveLength(5000)
    expect(await codeOf(() => decodeV1Packet(packet, { baseline, objectBytes: 4999 }))).toBe('ERR_HDE_LIMIT')
    expect(await codeOf(() => decodeV1Packet(packet, { baseline, lengthBytes: 4999 }))).toBe('ERR_HDE_LIMIT')
    expect(await codeOf(() => decodeV1Packet(packet, { baseline, lengthBytes: 5001 }))).toBe('ERR_HDE_CORRUPT')
  }
})

test('a packet at packetBytes is handed out, and one byte more is not', async () => {
  const object = prose(4, 5000)
  const { length } = await encodeV1Packet(object)
  expect(await encodeV1Packet(object, { packetBytes: length })).toHaveLength(length)
  expect(await codeOf(() => encodeV1Packet(object, { packetBytes: length - 1 }))).toBe('ERR_HDE_LIMIT')
})

test('a delta on a baseline that is not here asks for it by name', async () => {
  const old = prose(5, 5000)
  const packet = await encodeV1Packet(old, { baseline: { id: 'vm-ü_disk_3', bytes: old } })
  for (const options of [{}, { baseline: () => undefined }]) {
    await expect(decodeV1Packet(packet, options)).rejects.toMatchObject({
      code: 'ERR_HDE_BASELINE_MISSING',
      details: { baselineId: 'vm-ü_disk_3' },
    })
  }
  expect(await codeOf(() => decodeV1Packet(packet, { baseline: () => old.subarray(1) }))).toBe('ERR_HDE_BASELINE_MISSING')
})

test('an abort is heard before and between stretches of work, with its reason', async () => {
  const reason = new Error('enough')
  const large = new Uint8Array(9 * 1024 * 1024)
  const packet = await encodeV1Packet(large, { baseline: { id: ID, bytes: large } })
  const baseline = (): Uint8Array => large
  await expect(encodeV1Packet(large, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  await expect(decodeV1Packet(packet, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const [encoding, decoding] = [new AbortController(), new AbortController()]
  const encoded = encodeV1Packet(large, { baseline: { id: ID, bytes: large }, signal: encoding.signal })
  encoding.abort(reason)
  await expect(encoded).rejects.toBe(reason)
  const decoded = decodeV1Packet(packet, { baseline: () => (decoding.abort(reason), baseline()), signal: decoding.signal })
  await expect(decoded).rejects.toBe(reason)
})

test('the loop turns while a large object is encoded and decoded', async () => {
  const large = new Uint8Array(16 * 1024 * 1024)
  let turns = 0
  const count = (): void => {
    turns += 1
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)
  const packet = await encodeV1Packet(large, { baseline: { id: ID, bytes: large } })
  const encodingTurns = turns
  const { bytes } = await decodeV1Packet(packet, { baseline: () => large })
  clearImmediate(immediate)
  expect(bytes).toHaveLength(large.length)
  expect(encodingTurns).toBeGreaterThanOrEqual(4)
  expect(turns - encodingTurns).toBeGreaterThanOrEqual(4)
})

test('mistakes of the caller are thrown by their kind', async () => {
  const object = new Uint8Array(1)
  const text: unknown = 'text'
  const call = (work: unknown, ...given: readonly unknown[]): unknown => (typeof work === 'function' ? work(...given) : undefined)
  for (const work of [encodeV1Packet, decodeV1Packet]) await expect(call(work, text)).rejects.toBeInstanceOf(TypeError)
  await expect(call(encodeV1Packet, object, { tier: 'local ' })).rejects.toBeInstanceOf(RangeError)
  await expect(call(encodeV1Packet, object, { baseline: { id: ID, bytes: text } })).rejects.toBeInstanceOf(TypeError)
  await expect(call(encodeV1Packet, object, { baseline: { id: 5, bytes: object } })).rejects.toBeInstanceOf(TypeError)
  for (const id of ['', 'a\0b', 'a'.repeat(1025)]) {
    await expect(encodeV1Packet(object, { baseline: { id, bytes: object } })).rejects.toBeInstanceOf(RangeError)
  }
  for (const bytes of [-1, 0.5, Number.NaN, constants.MAX_LENGTH + 1]) {
    await expect(encodeV1Packet(object, { packetBytes: bytes })).rejects.toBeInstanceOf(RangeError)
    await expect(decodeV1Packet(object, { objectBytes: bytes })).rejects.toBeInstanceOf(RangeError)
    await expect(decodeV1Packet(object, { lengthBytes: bytes })).rejects.toBeInstanceOf(RangeError)
  }
})
