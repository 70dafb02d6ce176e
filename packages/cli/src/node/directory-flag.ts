import { resolve } from 'node:path'
import type { Command } from 'commander'

/** `--dir`, repeatable: which nodes to talk to. */
export function addDirectoryFlag(command: Command): Command {
  const collect = (text: string, before: readonly string[]): readonly string[] => [...before, resolve(text)]
  return command.option('--dir <directory>', 'of the node; may be repeated (default: every node of this user)', collect, [])
}
