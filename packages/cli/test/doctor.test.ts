import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { examine } from '../src/doctor/check.ts'
import { isFit } from '../src/doctor/doctor.ts'
import { judgeQemu, storageCheck } from '../src/doctor/host-checks.ts'
import { lastObject, run } from './command-line.ts'

const IDS = [
  'node',
  'zstd',
  'lz4',
  'xxh3',
  'socket-options',
  'sealed-streams',
  'dirty-tracking',
  'bbr',
  'ktls',
  'rdma',
  'mptcp',
  'namespaces',
  'tun',
  'compiler',
  'qemu',
  'storage',
]

test('doctor --json lists every check with a reason, and a remedy for all that is not ok', async () => {
  const result = await run('doctor', '--json')
  const { fit, checks } = lastObject(result) as { fit: boolean; checks: { id: string; status: string; detail: string; remedy?: string }[] }
  expect(checks.map(({ id }) => id)).toEqual(IDS)
  for (const { id, status, detail, remedy } of checks) {
    expect(['ok', 'missing', 'warning'], id).toContain(status)
    expect(detail, id).not.toBe('')
    if (status !== 'ok') expect(remedy, id).toBeTruthy()
  }
  expect(fit).toBe(true)
  expect(result.status).toBe(0)
})

test('doctor says the same to a person, one line and one remedy each', async () => {
  const { stdout, status } = await run('doctor')
  expect(stdout).toContain('Node.js')
  expect(stdout).toMatch(/data directory .*fdatasync/)
  expect(stdout).toContain('Everything that is needed is here.')
  expect(status).toBe(0)
})

test('a check that throws counts as missing, with the reason', async () => {
  const check = await examine({ id: 'x', title: 'X', needed: true, find: () => Promise.reject(new Error('no such thing')) })
  expect(check).toEqual({ id: 'x', title: 'X', needed: true, status: 'missing', detail: 'no such thing' })
  expect(isFit([check])).toBe(false)
  expect(isFit([{ ...check, needed: false }])).toBe(true)
})

test('a data directory that is not there yet is measured where it will be, and nothing is left behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-doctor-test-'))
  try {
    expect((await examine(storageCheck(join(folder, 'a', 'b')))).detail).toMatch(/a\/b: .* free, fdatasync /)
    expect(await readdir(folder)).toEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('QEMU before 9.0 is warned of, because it can corrupt memory', () => {
  expect(judgeQemu('QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)')).toMatchObject({
    status: 'warning',
    detail: expect.stringContaining('corrupt'),
  })
  expect(judgeQemu('QEMU emulator version 10.0.2')).toEqual({ status: 'ok', detail: 'version 10.0.2' })
  expect(judgeQemu('what?').status).toBe('warning')
})
