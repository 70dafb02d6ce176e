// Puts objects for ever, and says so after each that is durable: run by store.test.ts, which kills it.
import { randomBytes } from 'node:crypto'
import { openDiskStore } from '../dist/index.js'

const store = await openDiskStore(process.argv[2], { bytes: 1_000_000_000 })
const common = randomBytes(150_000)
for (;;) console.log((await store.put(Buffer.concat([common, randomBytes(150_000)]))).digest)
