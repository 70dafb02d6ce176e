import { type Grant, type GrantChange, isDwcpError, type NodeId, type Ownership } from '@dwcp/interface'
import { afterEach, describe, expect, test } from 'vitest'

/** Three nodes, `a`, `b` and `c`, that can be cut off from one another and restarted. */
export interface OwnershipLab {
  of(node: NodeId): Ownership
  cut(x: NodeId, y: NodeId): void
  heal(x: NodeId, y: NodeId): void
  /** As after a kill: what was not durable is gone. */
  restart(node: NodeId): Promise<void>
  close(): Promise<void>
}

const yes = async (): Promise<boolean> => true
const no = async (): Promise<boolean> => false

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return isDwcpError(error) ? error.code : `not ours: ${String(error)}`
  }
  return 'none: it resolved'
}

/** The rules of `Ownership` (packages/interface/src/ownership.ts), one test for each. */
export function ownershipCompliance(name: string, open: () => Promise<OwnershipLab>): void {
  describe(`Ownership: ${name}`, () => {
    const labs: OwnershipLab[] = []
    const setUp = async (): Promise<OwnershipLab> => {
      const lab = await open()
      labs.push(lab)
      return lab
    }
    afterEach(async () => {
      for (const lab of labs.splice(0)) await lab.close()
    })
    const expectAt = (
      lab: OwnershipLab,
      node: NodeId,
      from: NodeId,
      afterEpoch: number,
      consent = yes,
    ): { granted: Promise<Grant>; abort: AbortController } => {
      const abort = new AbortController()
      const granted = lab.of(node).awaitGrant('w', { from, afterEpoch, consent, signal: abort.signal })
      granted.catch(() => undefined)
      return { granted, abort }
    }

    test('knows nothing of a workload that was never created', async () => {
      const lab = await setUp()
      expect(await lab.of('a').current('w')).toBeUndefined()
    })

    test('creates a workload once, at epoch 1, not active', async () => {
      const lab = await setUp()
      expect(await lab.of('a').create('w')).toEqual({ workload: 'w', epoch: 1, owner: 'a', active: false })
      expect(await codeOf(lab.of('a').create('w'))).toBe('ERR_OWNERSHIP_EPOCH')
    })

    test('transfers to a target that consents, under a new epoch that both know', async () => {
      const lab = await setUp()
      await lab.of('a').activate(await lab.of('a').create('w'))
      const { granted } = expectAt(lab, 'b', 'a', 1)
      const moved = await lab.of('a').transfer('w', 1, 'b')
      expect(moved).toMatchObject({ epoch: 2, owner: 'b' })
      expect(await granted).toEqual({ workload: 'w', epoch: 2, owner: 'b', active: false })
      expect(await lab.of('a').current('w')).toMatchObject({ epoch: 2, owner: 'b' })
      expect(await lab.of('b').current('w')).toMatchObject({ epoch: 2, owner: 'b' })
    })

    test('compares the epoch before it swaps', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      expect(await codeOf(lab.of('a').transfer('w', 2, 'b'))).toBe('ERR_OWNERSHIP_EPOCH')
      expect(await codeOf(lab.of('b').transfer('w', 1, 'c'))).toBe('ERR_OWNERSHIP_EPOCH')
      expect(await lab.of('a').current('w')).toMatchObject({ epoch: 1, owner: 'a' })
    })

    test('keeps the declaration that the owner runs it', async () => {
      const lab = await setUp()
      const active = await lab.of('a').activate(await lab.of('a').create('w'))
      expect(active.active).toBe(true)
      await lab.restart('a')
      expect(await lab.of('a').current('w')).toEqual(active)
    })

    test('refuses a transfer to a node that waits for nothing, and goes on with the old owner', async () => {
      const lab = await setUp()
      await lab.of('a').activate(await lab.of('a').create('w'))
      if (lab.of('a').targetConsents) expect(await codeOf(lab.of('a').transfer('w', 1, 'b'))).toBe('ERR_OWNERSHIP_REFUSED')
      expect(await lab.of('a').current('w')).toMatchObject({ epoch: 1, owner: 'a', active: true })
    })

    test('refuses a transfer when the target says no, and can try again', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      const first = expectAt(lab, 'b', 'a', 1, no)
      if (lab.of('a').targetConsents) expect(await codeOf(lab.of('a').transfer('w', 1, 'b'))).toBe('ERR_OWNERSHIP_REFUSED')
      first.abort.abort(new Error('enough'))
      const second = expectAt(lab, 'b', 'a', 1)
      expect(await lab.of('a').transfer('w', 1, 'b')).toMatchObject({ epoch: 2, owner: 'b' })
      expect(await second.granted).toMatchObject({ epoch: 2 })
    })

    test('does not grant to one that no longer waits', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      const { granted, abort } = expectAt(lab, 'b', 'a', 1)
      abort.abort(new Error('changed my mind'))
      await expect(granted).rejects.toThrow('changed my mind')
      if (lab.of('a').targetConsents) expect(await codeOf(lab.of('a').transfer('w', 1, 'b'))).toBe('ERR_OWNERSHIP_REFUSED')
    })

    test('gives back to a former owner what was never activated, under a new epoch', async () => {
      const lab = await setUp()
      await lab.of('a').activate(await lab.of('a').create('w'))
      const { granted } = expectAt(lab, 'b', 'a', 1)
      await lab.of('a').transfer('w', 1, 'b')
      const late = await granted
      expect(await lab.of('a').transfer('w', 2, 'a')).toEqual({ workload: 'w', epoch: 3, owner: 'a', active: false })
      expect(await codeOf(lab.of('b').activate(late))).toBe('ERR_OWNERSHIP_EPOCH')
      expect(await lab.of('b').current('w')).toMatchObject({ epoch: 3, owner: 'a' })
    })

    test('never gives back what was activated, also after a restart of its owner', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      const { granted } = expectAt(lab, 'b', 'a', 1)
      await lab.of('a').transfer('w', 1, 'b')
      await lab.of('b').activate(await granted)
      expect(await codeOf(lab.of('a').transfer('w', 2, 'a'))).toBe('ERR_OWNERSHIP_ACTIVE')
      await lab.restart('b')
      expect(await codeOf(lab.of('a').transfer('w', 2, 'a'))).toBe('ERR_OWNERSHIP_ACTIVE')
    })

    test('moves on from node to node and back, each time under a higher epoch', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      const route: readonly NodeId[] = ['a', 'b', 'c', 'a', 'b', 'a']
      for (let hop = 1; hop < route.length; hop++) {
        const [from = '', to = ''] = [route[hop - 1], route[hop]]
        const { granted } = expectAt(lab, to, from, hop)
        await lab.of(from).transfer('w', hop, to)
        await lab.of(to).activate(await granted)
      }
      expect(await lab.of('a').current('w')).toMatchObject({ epoch: 6, owner: 'a', active: true })
    })

    test('says that it does not know while the target cannot be asked, and knows afterwards', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      let answer: (consents: boolean) => void = () => undefined
      let consent = yes
      const asked = new Promise<void>((resolve) => {
        consent = () => {
          resolve()
          return new Promise((consents) => (answer = consents))
        }
      })
      const { granted } = expectAt(lab, 'b', 'a', 1, consent)
      const abort = new AbortController()
      const transfer = codeOf(lab.of('a').transfer('w', 1, 'b', { signal: abort.signal }))
      if (lab.of('a').targetConsents) {
        await asked
        lab.cut('a', 'b')
        answer(true)
        expect(await granted).toMatchObject({ epoch: 2, owner: 'b' })
        abort.abort(new Error('tired of waiting'))
        expect(await transfer).toBe('ERR_OWNERSHIP_OUTCOME_UNKNOWN')
        expect(await codeOf(lab.of('a').current('w'))).toBe('ERR_OWNERSHIP_OUTCOME_UNKNOWN')
        await lab.restart('a')
        expect(await codeOf(lab.of('a').current('w'))).toBe('ERR_OWNERSHIP_OUTCOME_UNKNOWN')
        lab.heal('a', 'b')
      }
      expect(await lab.of('a').current('w')).toMatchObject({ epoch: 2, owner: 'b' })
    })

    test('settles an attempt that never arrived as refused, for good', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      const { granted, abort: waiting } = expectAt(lab, 'b', 'a', 1)
      lab.cut('a', 'b')
      const transfer = codeOf(lab.of('a').transfer('w', 1, 'b', { signal: AbortSignal.timeout(50) }))
      if (lab.of('a').targetConsents) {
        expect(await transfer).toBe('ERR_OWNERSHIP_OUTCOME_UNKNOWN')
        lab.heal('a', 'b')
        expect(await lab.of('a').current('w')).toMatchObject({ epoch: 1, owner: 'a' })
      }
      waiting.abort(new Error('over'))
      await expect(granted).rejects.toThrow('over')
    })

    test('an abort before the target has consented leaves the old owner', async () => {
      const lab = await setUp()
      await lab.of('a').create('w')
      if (!lab.of('a').targetConsents) return
      const abort = new AbortController()
      const { granted, abort: waiting } = expectAt(lab, 'b', 'a', 1, async () => {
        abort.abort(new Error('stop it'))
        return new Promise<boolean>(() => undefined)
      })
      await expect(lab.of('a').transfer('w', 1, 'b', { signal: abort.signal })).rejects.toThrow('stop it')
      expect(await lab.of('a').current('w')).toMatchObject({ epoch: 1, owner: 'a' })
      waiting.abort(new Error('over'))
      await expect(granted).rejects.toThrow('over')
    })

    test('tells a holder when it has lost the workload', async () => {
      const lab = await setUp()
      const grant = await lab.of('a').activate(await lab.of('a').create('w'))
      const changes: GrantChange[] = []
      const held = (async () => {
        for await (const change of lab.of('a').hold(grant)) changes.push(change)
      })()
      expectAt(lab, 'b', 'a', 1)
      await lab.of('a').transfer('w', 1, 'b')
      await held
      expect(changes.map((change) => change.kind)).toEqual(['lost'])
    })

    test('a hold ends with its signal', async () => {
      const lab = await setUp()
      const grant = await lab.of('a').create('w')
      const abort = new AbortController()
      const held = (async () => {
        for await (const _ of lab.of('a').hold(grant, { signal: abort.signal })) expect.unreachable()
      })()
      abort.abort(new Error('enough'))
      await expect(held).rejects.toThrow('enough')
    })

    test('an ended workload stays ended, and its name can begin anew', async () => {
      const lab = await setUp()
      const grant = await lab.of('a').activate(await lab.of('a').create('w'))
      await lab.of('a').end(grant, 'finished')
      expect(await lab.of('a').current('w')).toMatchObject({ owner: 'a', ended: 'finished' })
      expect(await codeOf(lab.of('a').transfer('w', 1, 'b'))).toBe('ERR_OWNERSHIP_EPOCH')
      expect(await lab.of('a').create('w')).toMatchObject({ owner: 'a', active: false })
    })
  })
}
