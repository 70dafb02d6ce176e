import { readFile } from 'node:fs/promises'
import type { Pair } from '../../corpora/pairs.js'
import type { Contender } from '../../harness/suite.js'
import { allPages, openPageLink, wholePages } from '../encoding/page-transfer.js'
import { measurement } from './metrics.js'
import type { WorkingFiles } from './working-files.js'

/** The codec of migrations, for what consists of pages: all of them are handed over. */
export async function codecOf({ content, sibling }: Pick<Pair, 'content' | 'sibling'>, files: WorkingFiles): Promise<readonly Contender[]> {
  if (content !== 'memory' && content !== 'disk') return []
  const read = await Promise.all([readFile(files.after), files.before === undefined ? undefined : readFile(files.before)])
  const [after, before] = wholePages(...read)
  const link = await openPageLink('hybrid', { before, sibling })
  const listed = allPages(after)
  const run: Contender['run'] = async () => {
    const { wireBytes, encodeSeconds, decodeSeconds } = await link.transfer(listed)
    return measurement(wireBytes, files.afterBytes, encodeSeconds, decodeSeconds)
  }
  return [{ name: 'hde hybrid', ours: true, run }]
}
