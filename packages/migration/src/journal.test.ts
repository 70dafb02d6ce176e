import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDwcpError } from '@dwcp/interface'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openJournal } from './journal.ts'
import type { OwnershipRecord } from './ownership-record.ts'

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dwcp-journal-'))
  file = join(directory, 'ownership.journal')
})
afterEach(() => rm(directory, { recursive: true }))

const held = (epoch: number, workload = 'w'): OwnershipRecord => ({
  state: 'held',
  workload,
  lineage: 'l',
  epoch,
  refused: [],
  active: false,
  attempts: 0,
})

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isDwcpError(error) ? error.code : undefined
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const piece of stream) text += String(piece)
  return text
}

describe('the journal', () => {
  test('keeps the last record of each workload over reopening', async () => {
    const first = await openJournal(directory)
    await Promise.all([first.write(held(1)), first.write(held(1, 'x')), first.write(held(2))])
    await first.close()
    await using second = await openJournal(directory)
    expect(second.get('w')).toEqual(held(2))
    expect(second.get('x')).toEqual(held(1, 'x'))
    expect(second.records()).toHaveLength(2)
  })

  test('loses only the record that was being written, wherever the write stopped', async () => {
    const journal = await openJournal(directory)
    await journal.write(held(1))
    const acknowledged = (await readFile(file)).length
    await journal.write(held(2))
    await journal.close()
    const whole = await readFile(file)
    for (let length = acknowledged; length < whole.length; length++) {
      await writeFile(file, whole.subarray(0, length))
      await using torn = await openJournal(directory)
      expect(torn.get('w')).toEqual(held(1))
      await torn.write(held(3))
      expect(torn.get('w')).toEqual(held(3))
    }
  })

  test('takes space that was given to the file but never written for the end', async () => {
    const journal = await openJournal(directory)
    await journal.write(held(1))
    await journal.close()
    await writeFile(file, Buffer.concat([await readFile(file), Buffer.alloc(700)]))
    await using reopened = await openJournal(directory)
    expect(reopened.get('w')).toEqual(held(1))
  })

  test('refuses to open with any bit of an acknowledged record changed', async () => {
    const journal = await openJournal(directory)
    await journal.write(held(1))
    await journal.write(held(2))
    await journal.close()
    const whole = await readFile(file)
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      await writeFile(file, damaged)
      expect([at, await codeOf(openJournal(directory))]).toEqual([at, 'ERR_MIGRATION_JOURNAL_CORRUPT'])
    }
  })

  test('stays small however often it is written', async () => {
    await using journal = await openJournal(directory)
    for (let epoch = 1; epoch <= 6000; epoch++) void journal.write(held(epoch))
    await journal.write(held(6001))
    expect((await readFile(file)).length).toBeLessThan(300 * 1024)
    expect(journal.get('w')).toEqual(held(6001))
  })

  test('is one process’s alone, until that process is gone', async () => {
    const mine = await openJournal(directory)
    expect(await codeOf(openJournal(directory))).toBe('ERR_MIGRATION_JOURNAL_LOCKED')
    await mine.close()
    // A lock left by a process that was killed, and whose pid now belongs to this very process.
    await writeFile(join(directory, 'lock'), `${process.pid} another-boot 1`)
    await using taken = await openJournal(directory)
    expect(taken.records()).toEqual([])
  })

  test('refuses a record that it could not read again, and goes on', async () => {
    const journal = await openJournal(directory)
    for (const record of [
      { ...held(1), epoch: Number.MAX_SAFE_INTEGER + 1 },
      held(1, ''),
      held(1, 'x'.repeat(257)),
    ] satisfies OwnershipRecord[])
      await expect(journal.write(record)).rejects.toThrow(RangeError)
    await journal.write(held(2))
    await journal.close()
    await using reopened = await openJournal(directory)
    expect(reopened.records()).toEqual([held(2)])
  })

  test('forgets refusals of unknown workloads when it is told to, and nothing else', async () => {
    await using journal = await openJournal(directory)
    await journal.write({ state: 'none', workload: 'u', lineage: 'l', epoch: 0, refused: [{ lineage: 'l', epoch: 2, number: 1 }] })
    await journal.write(held(1))
    journal.forget('u')
    journal.forget('w')
    expect(journal.records()).toEqual([held(1)])
  })

  test('calls nothing durable that the disk took in part, and writes nothing more', async () => {
    const script = new URL('../test/journal-writer.mjs', import.meta.url).pathname
    // A file may grow to 2 KiB here: the write that crosses it is cut short, without an error.
    const command = 'ulimit -f 2; exec "$0" "$@"'
    const writer = spawn('bash', ['-c', command, process.execPath, script, directory], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [said, complained] = await Promise.all([textOf(writer.stdout), textOf(writer.stderr), once(writer, 'exit')])
    expect(complained).toContain('ERR_MIGRATION_JOURNAL_FAILED')
    const acknowledged = Number(said.trim().split('\n').at(-1))
    expect(acknowledged).toBeGreaterThan(5)
    await using journal = await openJournal(directory)
    expect(journal.get('w')?.epoch).toBe(acknowledged)
  })

  test('has every record that was acknowledged before the process was killed', async () => {
    const script = new URL('../test/journal-writer.mjs', import.meta.url).pathname
    for (let run = 0; run < 5; run++) {
      const writer = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(writer, 'exit')
      let acknowledged = 0
      for await (const line of writer.stdout) {
        acknowledged = Number(String(line).trim().split('\n').at(-1))
        if (acknowledged >= 20 * (run + 1)) writer.kill('SIGKILL')
      }
      await exited
      await using journal = await openJournal(directory)
      expect(acknowledged).toBeGreaterThanOrEqual(20 * (run + 1))
      expect(journal.get('w')?.epoch).toBeGreaterThanOrEqual(acknowledged)
    }
  })
})
