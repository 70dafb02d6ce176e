import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { stateRoot } from '../state-directory.js'

export interface IdentityFlag {
  readonly identity?: string
}

/** `--identity`: where a node's key, certificate and trust store are. */
export function addIdentityFlag(command: Command): Command {
  return command.option(
    '--identity <directory>',
    'key, certificate and trust store of the node (default: ${XDG_STATE_HOME:-~/.local/state}/dwcp-identity)',
  )
}

export function identityDirectory({ identity }: IdentityFlag, env: NodeJS.ProcessEnv): string {
  return identity === undefined ? join(stateRoot(env), '..', 'dwcp-identity') : resolve(identity)
}
