import type { Command } from 'commander'
import { Option } from 'commander'

export const LEVELS = ['fast', 'balanced', 'small'] as const
export type Level = (typeof LEVELS)[number]

const FORMAT = 'The format is described byte by byte in docs/wire/delta.md.'

/** What a command does is loaded when it runs. */
export function addDeltaCommand(program: Command): void {
  const delta = program
    .command('delta')
    .summary('a file as its difference from others')
    .description('Writes a file as its difference from files that the receiver has, reads it back, and tells what is in it.')
  delta
    .command('encode')
    .summary('write TARGET as its difference from the bases')
    .description(`Writes TARGET as its difference from the base files, of any size, in bounded memory. ${FORMAT}`)
    .argument('<target>', 'the file or block device to encode; - reads the standard input')
    .option('--base <file>', 'a file that the receiver has; may be given several times, in an order that both sides share', gather, [])
    .requiredOption('-o, --output <file>', 'where to write; - is the standard output')
    .addOption(new Option('--level <level>', 'speed or size').choices(LEVELS).default('balanced'))
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'one JSON object')
    .action(async (target: string, flags: EncodeFlags) => (await import('./encode.js')).encodeFile(target, flags))
  delta
    .command('decode')
    .summary('write the file that a delta stands for')
    .description(
      'Writes the file that was encoded. Every block, and the whole, is verified; the output appears only when all is right. Over the standard output each block goes once it is verified, and the exit status tells of the whole.',
    )
    .argument('<delta>', 'what `dwcp delta encode` wrote; - reads the standard input')
    .option('--base <file>', 'the base files of the encoding, in the same order', gather, [])
    .requiredOption('-o, --output <file>', 'where to write; - is the standard output')
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'one JSON object')
    .action(async (file: string, flags: DecodeFlags) => (await import('./decode.js')).decodeFile(file, flags))
  delta
    .command('stat')
    .summary('what a delta is made of')
    .description('Tells sizes by kind of content and the base that is needed. Reads the whole delta and decodes nothing.')
    .argument('<delta>', 'what `dwcp delta encode` wrote; - reads the standard input')
    .option('--json', 'one JSON object')
    .action(async (file: string, flags: StatFlags) => (await import('./stat.js')).statFile(file, flags))
}

export interface DecodeFlags {
  readonly base: readonly string[]
  readonly output: string
  readonly force?: boolean
  readonly json?: boolean
}

export interface EncodeFlags extends DecodeFlags {
  readonly level: Level
}

export interface StatFlags {
  readonly json?: boolean
}

function gather(value: string, all: readonly string[]): readonly string[] {
  return [...all, value]
}
