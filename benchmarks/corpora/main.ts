import { CORPORA_FOLDER, CorpusAbsent } from './corpora-folder.js'
import { PAIRS } from './pairs.js'

// Builds every corpus that this machine can build, so that a benchmark need not.
for (const pair of PAIRS) {
  try {
    const { kind } = await pair.build()
    console.log(`${pair.name}: ${kind}`)
  } catch (cause) {
    if (!(cause instanceof CorpusAbsent)) throw cause
    console.error(`ABSENT: ${pair.name}: ${cause.message}`)
    process.exitCode = 1
  }
}
console.log(`in ${CORPORA_FOLDER}`)
