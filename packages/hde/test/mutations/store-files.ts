import { DwcpError } from '@dwcp/interface'
import { loadBlake3 } from '@dwcp/native-rdma/hash'
import { ByteReader } from '../../src/byte-reader.ts'
import { noise, prose } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { MemoryFiles } from './memory-files.ts'
import type { Modules } from './modules.ts'
import { bytesPart, type Part } from './parts.ts'

const BOUND = { bytes: 1 << 20 }
const TAIL_BYTES = 48
const MAGIC = Buffer.from('DWCPpak1')
/** What was kept, twice: as it is read, and as it is given out; and the table that is made of the chunks. */
const LIMIT_BYTES = 2 << 20

const common = prose(51, 6_000)
const objects = [
  Buffer.concat([common, noise(52, 3_000)]),
  Buffer.concat([noise(53, 2_500), common]),
  Buffer.concat([common.subarray(0, 4_096), noise(54, 4_096)]),
]

interface Directory {
  readonly names: readonly string[]
  readonly files: readonly Buffer[]
}

async function directory({ diskStore }: Modules): Promise<Directory> {
  const memory = new MemoryFiles()
  await using store = await diskStore.openStoreOn(memory, 'store', BOUND)
  for (const [index, object] of objects.entries()) await store.put(object, { name: 'an object', chunks: index === 2 ? 'pages' : 'content' })
  const names = [...memory.files.keys()].sort()
  return { names, files: names.map((name) => memory.files.get(name) ?? Buffer.alloc(0)) }
}

/** All files, each behind its length: its chunks, its table, and the tail that finds and verifies the table. */
function directoryParts({ files }: Directory): Part[] {
  return files.map((file): Part => {
    const tableBytes = Number(file.readBigUInt64LE(file.length - TAIL_BYTES))
    const table = file.length - TAIL_BYTES - tableBytes
    const [chunks, rest] = [file.subarray(0, table), file.subarray(table)]
    const tail = [rest.subarray(-TAIL_BYTES, -40), rest.subarray(-40, -8), rest.subarray(-8)]
    return { kind: 'sized', parts: [bytesPart(chunks), bytesPart(rest.subarray(0, tableBytes)), ...tail.map(bytesPart)] }
  })
}

/** Files that are there in part, or twice under other names. */
function filesOf(bytes: Uint8Array, names: readonly string[]): MemoryFiles {
  const files: [string, Uint8Array][] = []
  const reader = new ByteReader(bytes, 0)
  try {
    while (!reader.atEnd && files.length < 20) {
      const length = reader.varint()
      const name = names[files.length] ?? `${String(100 + files.length).padStart(12, '0')}.pack`
      files.push([name, reader.take(Math.min(length, bytes.length - reader.offset))])
    }
  } catch {
    // What is left of a length is no file.
  }
  return new MemoryFiles(files)
}

/** Everything that the store says it has, or the first error. */
async function readAll(
  reads: Modules,
  files: MemoryFiles,
  mutantBytes: number,
): Promise<readonly { readonly digest: string; readonly bytes: Uint8Array }[]> {
  await using store = await reads.diskStore.openStoreOn(files, 'store', BOUND)
  const read: { digest: string; bytes: Uint8Array }[] = []
  for (const { digest, lengthBytes } of store.latest()) {
    // A list may say anything where tables are forged; whoever reads asks for what is there.
    await using base = await store.base(digest)
    if (base === undefined || base.lengthBytes !== lengthBytes) throw new Error(`${digest} is listed, and is not what is listed`)
    if (lengthBytes <= BOUND.bytes) read.push({ digest, bytes: await base.read(0, lengthBytes) })
  }
  // It must be fit for use as it is now. A put takes longer than all the rest: some of them show it.
  if (mutantBytes % 8 === 0) await store.put(noise(55, 3_000))
  if (store.stats().keptBytes > BOUND.bytes) throw new Error('more is kept than may be')
  return read
}

/** What is left is right; what is gone is refused here, so that the tally says how often. */
export async function storeFiles(makes: Modules, reads: Modules): Promise<Target> {
  const made = await directory(makes)
  const blake3 = await loadBlake3()
  const seed: Seed = {
    parts: () => directoryParts(made),
    async decode(mutant) {
      const read = await readAll(reads, filesOf(mutant, made.names), mutant.length)
      for (const { digest, bytes } of read) {
        if (`blake3:${Buffer.from(blake3.digest(bytes)).toString('hex')}` !== digest) throw new Error(`other bytes as ${digest}`)
      }
      if (read.length < objects.length) throw new DwcpError('ERR_HDE_STORE_DAMAGED', 'an object is gone')
      return Uint8Array.of(read.length)
    },
  }
  return { name: 'files of a store', seeds: [seed], refusals: /^ERR_HDE_STORE_DAMAGED$/, limitBytes: LIMIT_BYTES }
}

/** Tables whose digests are made anew, as whoever may write to the directory can: what they list is then anything. */
export async function forgedStoreFiles(makes: Modules, reads: Modules): Promise<Target> {
  const made = await directory(makes)
  const blake3 = await loadBlake3()
  const seed: Seed = {
    parts: () => directoryParts(made),
    async decode(mutant) {
      const files = filesOf(mutant, made.names)
      for (const [name, file] of files.files)
        files.files.set(
          name,
          sealed(file, (table) => blake3.digest(table)),
        )
      const read = await readAll(reads, files, mutant.length)
      if (read.length < objects.length) throw new DwcpError('ERR_HDE_STORE_DAMAGED', 'an object is gone')
      return Uint8Array.of(read.length)
    },
  }
  return { name: 'files of a store', seeds: [seed], refusals: /^ERR_HDE_STORE_(DAMAGED|FULL)$/, limitBytes: LIMIT_BYTES }
}

function sealed(file: Buffer, digestOf: (table: Uint8Array) => Uint8Array): Buffer {
  if (file.length < TAIL_BYTES || !file.subarray(-MAGIC.length).equals(MAGIC)) return file
  const tableBytes = Number(file.readBigUInt64LE(file.length - TAIL_BYTES))
  const end = file.length - TAIL_BYTES
  if (tableBytes > end) return file
  return Buffer.concat([file.subarray(0, end + 8), digestOf(file.subarray(end - tableBytes, end)), MAGIC])
}
