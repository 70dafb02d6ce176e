// Another process at the same trust store: brings one join request.
import { openTrustStore } from '../src/index.ts'

const [directory = '', joinRequest = ''] = process.argv.slice(2)
try {
  const { nodeId } = await (await openTrustStore(directory)).admit(joinRequest)
  process.stdout.write(nodeId)
} catch (error) {
  process.stdout.write(error instanceof Error && 'code' in error ? String(error.code) : String(error))
}
