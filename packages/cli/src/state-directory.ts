import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ControlCaller } from './control/call.js'
import { callNode } from './control/control-socket.js'
import { cliError } from './errors.js'

/** Folders looked at, at most: the state directory is the user's own, but may hold anything. */
const MAX_FOLDERS = 1024
const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Where the nodes of this user keep their state unless they are told otherwise. */
export function stateRoot(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'dwcp')
}

/** @throws `ERR_CLI_USAGE` for a name that is no good file name. */
export function stateDirectory(nodeId: string, env: NodeJS.ProcessEnv): string {
  return join(stateRoot(env), checkNodeId(nodeId))
}

export function checkNodeId(nodeId: string): string {
  if (NODE_ID.test(nodeId)) return nodeId
  throw cliError(
    'ERR_CLI_USAGE',
    `--node-id ${nodeId}: write up to 64 letters, digits, dots, dashes or underscores, the first a letter or digit`,
  )
}

/** A node that answers. */
export interface ReachedNode {
  readonly directory: string
  readonly caller: ControlCaller
}

/** The nodes in `directories`, or all of this user's that are alive. Close each caller. */
export async function reachNodes(directories: readonly string[], env: NodeJS.ProcessEnv): Promise<readonly ReachedNode[]> {
  if (directories.length > 0) return Promise.all(directories.map(async (directory) => ({ directory, caller: await callNode(directory) })))
  const root = stateRoot(env)
  const names = await readdir(root).catch(() => [])
  const found: ReachedNode[] = []
  for (const name of names.slice(0, MAX_FOLDERS)) {
    const directory = join(root, name)
    // A socket that a dead node left refuses the connection: that node is not there.
    const caller = await callNode(directory).catch(() => undefined)
    if (caller !== undefined) found.push({ directory, caller })
  }
  return found
}
