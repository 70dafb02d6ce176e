import { readFile } from 'node:fs/promises'
import type { Pair } from '../../corpora/pairs.js'
import type { Contender } from '../../harness/suite.js'
import { hdeContender } from '../encoding/hde-contender.js'
import { measurement } from './metrics.js'
import type { WorkingFiles } from './working-files.js'

/** The codec of migrations, for what consists of pages. */
export async function codecOf({ content }: Pair, files: WorkingFiles): Promise<readonly Contender[]> {
  if (content !== 'memory' && content !== 'disk') return []
  const [after, before] = await Promise.all([readFile(files.after), files.before === undefined ? undefined : readFile(files.before)])
  return [await pageContender(after, before)]
}

async function pageContender(after: Uint8Array, before: Uint8Array | undefined): Promise<Contender> {
  const inner = await hdeContender('hde hybrid', true, 'hybrid', after, before)
  const run: Contender['run'] = async () => {
    const { 'wire bytes': bytes = 0, 'encode CPU': encode = 0, 'decode CPU': decode = 0 } = await inner.run()
    return measurement(bytes, after.length, encode, decode)
  }
  return { name: inner.name, ours: true, run }
}
