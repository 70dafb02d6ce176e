import { rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { PairContent } from '../../corpora/pairs.js'
import { runProgram } from '../../harness/program.js'
import type { Contender } from '../../harness/suite.js'
import { measurement } from './metrics.js'
import type { WorkingFiles } from './working-files.js'

/** A program that turns two files into a patch, and one of them and the patch into the other. */
export interface PatchProgram {
  readonly name: string
  /** Which must be on PATH. */
  readonly program: string
  /** A few MB/s or less, on everything or on these contents: only in the full form, and once. */
  readonly slow?: true | readonly PairContent[]
  /** Contents on which it takes too long even for that. */
  readonly without?: readonly PairContent[]
  readonly short?: true
  readonly ours?: true
  encode(files: WorkingFiles): Command
  decode(files: WorkingFiles): Command
}

/** Built, as it is installed. */
const DWCP = [process.execPath, join(dirname(createRequire(import.meta.url).resolve('@dwcp/cli/package.json')), 'dist', 'main.js')] as const

type Command = readonly [program: string, ...args: string[]]

/** One thread: with several, its patches come out up to 4.5 times larger. */
function zstd(level: number, marks: Pick<PatchProgram, 'slow' | 'short' | 'without'> = {}): PatchProgram {
  const from = ({ before }: WorkingFiles): string[] => (before === undefined ? [] : [`--patch-from=${before}`])
  return {
    name: `zstd -${level}`,
    program: 'zstd',
    ...marks,
    encode: (files) => ['zstd', '-qf', `-${level}`, '--single-thread', '--long=31', ...from(files), files.after, '-o', files.packed],
    decode: (files) => ['zstd', '-qdf', '--long=31', '--memory=2048MB', ...from(files), files.packed, '-o', files.unpacked],
  }
}

/** Its own choice: of a longer source it sees only so much at a time, and of a shorter one no window need be larger. */
const XDELTA3_WINDOW_BYTES = 64 * 2 ** 20

function xdelta3(name: string, level: readonly string[], marks: Pick<PatchProgram, 'short' | 'slow'> = {}): PatchProgram {
  const from = ({ before, beforeBytes }: WorkingFiles): string[] =>
    before === undefined ? [] : ['-B', String(Math.max(XDELTA3_WINDOW_BYTES, beforeBytes)), '-s', before]
  return {
    name,
    program: 'xdelta3',
    ...marks,
    // -D: else it unpacks what it knows (gzip) and packs it anew at the end, to other bytes.
    encode: (files) => ['xdelta3', '-e', '-f', '-D', ...level, ...from(files), files.after, files.packed],
    decode: (files) => ['xdelta3', '-d', '-f', ...from(files), files.packed, files.unpacked],
  }
}

const bsdiff: PatchProgram = {
  name: 'bsdiff',
  program: 'bsdiff',
  slow: true,
  // It needs an earlier version. Ten minutes of CPU did not sort the suffixes of the disk image, nearly half of which is zeros.
  without: ['memory', 'disk', 'incompressible'],
  encode: ({ before = '', after, packed }) => ['bsdiff', before, after, packed],
  decode: ({ before = '', unpacked, packed }) => ['bspatch', before, unpacked, packed],
}

/** Knows nothing of the earlier version: what sending the new one by a fast codec costs. */
const lz4: PatchProgram = {
  name: 'lz4',
  program: 'lz4',
  short: true,
  encode: ({ after, packed }) => ['lz4', '-qf', after, packed],
  decode: ({ packed, unpacked }) => ['lz4', '-qdf', packed, unpacked],
}

/** The command, Node's start and all. */
function dwcp(level: 'fast' | 'balanced' | 'small', marks: Pick<PatchProgram, 'short' | 'slow'> = {}): PatchProgram {
  const base = ({ before }: WorkingFiles): string[] => (before === undefined ? [] : ['--base', before])
  return {
    name: `dwcp delta ${level}`,
    program: 'node',
    ours: true,
    ...marks,
    encode: (files) => [...DWCP, 'delta', 'encode', '--level', level, ...base(files), files.after, '-o', files.packed],
    decode: (files) => [...DWCP, 'delta', 'decode', ...base(files), files.packed, '-o', files.unpacked],
  }
}

export const PATCH_PROGRAMS: readonly PatchProgram[] = [
  dwcp('balanced', { short: true }),
  dwcp('fast'),
  dwcp('small', { short: true, slow: ['memory', 'disk'] }),
  zstd(1),
  zstd(3, { short: true }),
  zstd(19, { slow: true, without: ['memory'] }),
  xdelta3('xdelta3', [], { short: true }),
  xdelta3('xdelta3 -9', ['-9'], { slow: true }),
  bsdiff,
  lz4,
]

/** Seconds are of CPU time. */
export interface PatchCost {
  readonly bytes: number
  readonly encodeSeconds: number
  readonly decodeSeconds: number
}

/** Encodes, decodes and compares. */
export async function runPatch(program: PatchProgram, files: WorkingFiles): Promise<PatchCost> {
  // Nothing may be left of the run before: what is verified must be new.
  await Promise.all([files.packed, files.unpacked].map((path) => rm(path, { force: true })))
  const [encoder, ...encodeArgs] = program.encode(files)
  const encoded = await runProgram(encoder, encodeArgs)
  const [decoder, ...decodeArgs] = program.decode(files)
  const decoded = await runProgram(decoder, decodeArgs)
  await files.verify()
  const { size } = await stat(files.packed)
  return { bytes: size, encodeSeconds: encoded.cpuSeconds, decodeSeconds: decoded.cpuSeconds }
}

export function patchContender(program: PatchProgram, files: WorkingFiles, content: PairContent): Contender {
  const run: Contender['run'] = async () => {
    const { bytes, encodeSeconds, decodeSeconds } = await runPatch(program, files)
    return measurement(bytes, files.afterBytes, encodeSeconds, decodeSeconds)
  }
  const slow = program.slow === true || program.slow?.includes(content) === true
  return { name: program.name, ours: program.ours === true, ...(slow ? { slow } : {}), run }
}
