import { cliError } from '../errors.js'
import { type ReachedNode, reachNodes } from '../state-directory.js'
import { statusOf } from './status.js'

/** The node of this user that runs `workload`; its caller is open, those of the others are closed. @throws `ERR_CLI_NO_NODE`, `ERR_CLI_NO_WORKLOAD`. */
export async function findWorkload(workload: string, directories: readonly string[], env: NodeJS.ProcessEnv): Promise<ReachedNode> {
  const nodes = await reachNodes(directories, env)
  if (nodes.length === 0)
    throw cliError('ERR_CLI_NO_NODE', 'no node of this user runs: start one with dwcp run or dwcp node, or say where it is with --dir')
  const known: string[] = []
  let found: ReachedNode | undefined
  for (const node of nodes) {
    const { id, workloads } = await statusOf(node)
    const here = workloads.filter(({ state }) => state === 'running' || state === 'leaving' || state === 'settling')
    known.push(...here.map((each) => `${each.id} on ${id}`))
    if (found === undefined && here.some((each) => each.id === workload)) found = node
  }
  for (const node of nodes) if (node !== found) node.caller.close()
  if (found === undefined)
    throw cliError('ERR_CLI_NO_WORKLOAD', `no node of this user runs ${workload}; there is ${known.join(', ') || 'none at all'}`)
  return found
}
