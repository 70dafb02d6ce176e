import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ChangeValue, decodeChanges, encodeChanges } from '../src/index.ts'

// What decodeChange of @automerge/automerge 3.5.0 gives of the 48 changes of three actors who edit four maps and a text. The changes
// themselves, in Automerge's own encoding, one by one, are 7,883 bytes.
const BINARY_BYTES = 7_883
const changes: ChangeValue[] = JSON.parse(await readFile(join(import.meta.dirname, 'automerge-changes.json'), 'utf8'))

test('changes of Automerge come back, in half the bytes of its own', async () => {
  const bytes = await encodeChanges(changes)
  expect(JSON.stringify(await decodeChanges(bytes))).toBe(JSON.stringify(changes))
  expect(bytes.length).toBeLessThan(BINARY_BYTES / 2)
})
