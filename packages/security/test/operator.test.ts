import { expect, test } from 'vitest'
import { enroll, foundCluster, installBundle, openIdentity, openTrustStore, revokeMember, rotateAuthority } from '../src/index.ts'
import { chainOf, place, testClock } from './place.ts'

test('a cluster is founded, nodes join by request and by token, the authority rotates, one is revoked everywhere', async () => {
  const clock = testClock()
  const home = place()
  const own = await foundCluster(home, { cluster: 'lab', nodeId: 'op', clock })
  expect(own).toMatchObject({ cluster: 'lab' })
  await expect(foundCluster(home, { cluster: 'lab', clock })).rejects.toMatchObject({ code: 'ERR_SECURITY_EXISTS' })
  using trust = await openTrustStore(home, { clock })

  const [forA, forB] = [place(), place()]
  using a = await openIdentity(forA, { nodeId: 'a', clock })
  using b = await openIdentity(forB, { nodeId: 'b', clock })
  const first = await enroll(home, await a.request(), { clock, roles: ['worker'] })
  expect(first.member).toMatchObject({ nodeId: 'a', roles: ['worker'], domain: 'trusted' })
  await installBundle(forA, first.bundle, { clock })
  const { token } = await trust.invite({ nodeId: 'b', roles: ['edge'] })
  const join = await b.joinRequest(token)
  const second = await enroll(home, join, { clock })
  // It was not heard, and is asked again.
  expect((await enroll(home, join, { clock })).member).toEqual(second.member)
  expect(second.member).toMatchObject({ nodeId: 'b', roles: ['edge'], domain: 'untrusted' })
  await installBundle(forB, second.bundle, { clock, token })

  // b knows a by the statements in its bundle; a hears of b.
  using trustA = await openTrustStore(forA, { clock })
  using trustB = await openTrustStore(forB, { clock })
  expect(trustB.authenticate(chainOf(a.credentials()), clock.nowMs()).nodeId).toBe('a')
  expect(() => trustA.authenticate(chainOf(b.credentials()), clock.nowMs())).toThrow(/admitted/)
  expect(await trustA.accept(trust.statements())).toEqual([])
  expect(trustA.authenticate(chainOf(b.credentials()), clock.nowMs()).nodeId).toBe('b')

  const news = await rotateAuthority(home, { clock })
  await trustA.accept(news)
  // A renewal keeps roles and domain.
  const renewed = await enroll(home, await a.request(), { clock })
  expect(renewed.member).toMatchObject({ nodeId: 'a', roles: ['worker'] })
  await installBundle(forA, renewed.bundle, { clock })
  expect(trustA.authorities()).toHaveLength(2)
  // b has not heard of the new authority: the chain of a leads to the one that it knows.
  expect(trustB.authorities()).toHaveLength(1)
  expect(trustB.authenticate(chainOf(a.credentials()), clock.nowMs()).nodeId).toBe('a')

  const statements = await revokeMember(home, 'a', { clock })
  expect(await revokeMember(home, 'a', { clock })).toHaveLength(1)
  expect(await trustB.accept([...news, ...statements])).toEqual([])
  for (const store of [trust, trustB]) {
    expect(() => store.authenticate(chainOf(a.credentials()), clock.nowMs())).toThrow(
      expect.objectContaining({ code: 'ERR_SECURITY_REVOKED' }),
    )
  }
  await expect(enroll(home, await a.request(), { clock })).rejects.toMatchObject({ code: 'ERR_SECURITY_REVOKED' })
  await expect(revokeMember(home, 'nobody', { clock })).rejects.toMatchObject({ code: 'ERR_SECURITY_NOT_ADMITTED' })
})
