import { execFileSync } from 'node:child_process'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileBase } from './base.ts'
import { baseLength, endOf } from './base-length.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dwcp-length-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test.each([0, 1, 2, 3, 511, 512, 513, 65_535, 65_536])('the end of %d bytes is found by reading', async (lengthBytes) => {
  const path = join(folder, String(lengthBytes))
  await writeFile(path, new Uint8Array(lengthBytes))
  await using file = await open(path)
  expect(await endOf(file)).toBe(lengthBytes)
  expect(await baseLength(file, path)).toBe(lengthBytes)
})

test.skipIf(process.geteuid?.() !== 0)('a block device has the length that the kernel gives it', async () => {
  const path = join(folder, 'disk')
  await writeFile(path, new Uint8Array(3 * 1024 * 1024 + 512).fill(7))
  const device = execFileSync('losetup', ['--find', '--show', '--read-only', path], { encoding: 'utf8' }).trim()
  try {
    await using base = await fileBase(device)
    expect(base.lengthBytes).toBe(3 * 1024 * 1024 + 512)
    expect(Buffer.compare(await base.read(3 * 1024 * 1024, 512), new Uint8Array(512).fill(7))).toBe(0)
  } finally {
    execFileSync('losetup', ['--detach', device])
  }
})

test('what cannot be read at any offset is refused', async () => {
  await expect(fileBase(folder)).rejects.toThrow(TypeError)
  await expect(fileBase('/dev/null')).rejects.toThrow(TypeError)
})
