// Writes records for ever, and says so after each that is durable: run by journal.test.ts, which kills it or its disk.
import { openJournal } from '../dist/index.js'

const journal = await openJournal(process.argv[2])
const last = journal.get('w')?.epoch ?? 0
for (let epoch = last + 1; ; epoch++) {
  await journal.write({ state: 'held', workload: 'w', lineage: 'l', epoch, refused: [], active: false, attempts: 0 })
  console.log(epoch)
}
