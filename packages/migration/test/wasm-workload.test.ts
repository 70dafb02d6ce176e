import { expect, test } from 'vitest'
import { createWasmDriver, hashChain, HashChainVerifier, loadWorkload, type WasmWorkload } from '../src/index.ts'
import { move } from './carry.ts'

test('a hash chain goes on in another worker where it was', async () => {
  const driver = createWasmDriver()
  let workload: WasmWorkload = await driver.run({ id: 'chain', module: await loadWorkload('hash-chain'), seed: 7 })
  await workload.start()
  const verifier = new HashChainVerifier()
  let sequence = 0
  const status = async () => hashChain.decode(await workload.request({ client: 'test', sequence: sequence++, payload: hashChain.status() }))
  expect(verifier.verify(await status())).toBe(true)
  workload = await move(workload, driver, 2)
  const after = await status()
  expect(verifier.verify(after)).toBe(true)
  workload = await move(workload, driver, 0)
  const last = await status()
  expect(last.links).toBeGreaterThan(after.links)
  expect(verifier.verify(last)).toBe(true)
  console.log(last, await workload.stats())
  await workload.close()
  expect(await workload.finished).toEqual({ kind: 'closed' })
})
