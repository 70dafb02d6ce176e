import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isInstalled } from '../../harness/machine.js'
import type { Case, Contender, OpenCase } from '../../harness/suite.js'
import { PATCH_PROGRAMS, type PatchProgram, runPatch } from './patch-programs.js'
import { workingFiles } from './working-files.js'

const NAMES = ['dwcp delta balanced', 'zstd -3', 'xdelta3', 'lz4']

/** What a process costs before it does anything: a file of one byte, given the same. */
export const START: Case = {
  name: 'one byte',
  metrics: [
    { name: 'encode CPU', unit: 's', better: 'lower', exact: false },
    { name: 'decode CPU', unit: 's', better: 'lower', exact: false },
  ],
  async open(): Promise<OpenCase> {
    const folder = await mkdtemp(join(tmpdir(), 'dwcp-byte-'))
    const byte = join(folder, 'byte')
    await writeFile(byte, 'x')
    const files = await workingFiles({ before: byte, after: byte, kind: 'one byte' })
    const contender = (program: PatchProgram): Contender => ({
      name: program.name,
      ours: program.ours === true,
      async run() {
        const { encodeSeconds, decodeSeconds } = await runPatch(program, files)
        return { 'encode CPU': encodeSeconds, 'decode CPU': decodeSeconds }
      },
    })
    const programs: PatchProgram[] = []
    for (const one of PATCH_PROGRAMS.filter(({ name }) => NAMES.includes(name))) if (await isInstalled(one.program)) programs.push(one)
    return {
      data: { kind: 'one byte, given the same', bytes: 1 },
      contenders: programs.map(contender),
      async [Symbol.asyncDispose]() {
        await files[Symbol.asyncDispose]()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
}
