import { expect, test } from 'vitest'
import { runProgram } from './program.ts'

test('what a program prints comes back, and it runs where and with what it is told to', async () => {
  const { stdout } = await runProgram('sh', ['-c', 'pwd; echo "$WORD"'], { folder: '/', env: { WORD: 'a b' } })
  expect(stdout).toBe('/\na b\n')
})

test('the CPU time holds that of the children, and not the time spent waiting', async () => {
  const busy = `const { cpuUsage } = process; for (let used = 0; used < 0.2e6; ) used = cpuUsage().user + cpuUsage().system`
  const { cpuSeconds } = await runProgram('sh', ['-c', '"$1" -e "$2"; sleep 0.1', 'sh', process.execPath, busy])
  expect(cpuSeconds).toBeGreaterThanOrEqual(0.2)
  expect((await runProgram('sleep', ['0.2'])).cpuSeconds).toBeLessThan(0.1)
})

test('a program that ends other than with 0, or that does not exist, is refused with what it said', async () => {
  await expect(runProgram('sh', ['-c', 'echo broken >&2; exit 3'])).rejects.toMatchObject({
    code: 3,
    stderr: expect.stringContaining('broken'),
  })
  await expect(runProgram('no-such-program-here', [])).rejects.toMatchObject({ code: 127 })
})
