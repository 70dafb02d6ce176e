import { copyFile, writeFile } from 'node:fs/promises'
import { randomBytes } from '../harness/data.js'
import { runProgram } from '../harness/program.js'
import { corpusFile } from './corpora-folder.js'
import { debianPackage, npmTarball } from './packages.js'
import type { BuiltPair } from './pairs.js'

const SEED = 5
const RANDOM_BYTES = 8 * 2 ** 20

export async function compressedDebian(): Promise<BuiltPair> {
  const after = await corpusFile('incompressible/a.deb', async (path) => copyFile(await debianPackage('mariadb-server-core'), path))
  return { after, kind: 'Debian package mariadb-server-core, compressed by xz' }
}

export async function compressedNpm(): Promise<BuiltPair> {
  const after = await corpusFile('incompressible/b.tgz', async (path) => copyFile(await npmTarball('typescript', '5.9.2'), path))
  return { after, kind: 'npm package typescript 5.9.2, compressed by gzip' }
}

export async function webAssembly(): Promise<BuiltPair> {
  const after = await corpusFile('incompressible/c.wasm', async (path) => {
    const packed = await npmTarball('esbuild-wasm', '0.25.0')
    await runProgram('bash', ['-c', 'tar xzOf "$1" package/esbuild.wasm > "$2"', 'bash', packed, path])
  })
  return { after, kind: 'esbuild 0.25.0 as WebAssembly' }
}

export async function randomData(): Promise<BuiltPair> {
  const after = await corpusFile('incompressible/d.aes', (path) => writeFile(path, randomBytes(SEED, RANDOM_BYTES)))
  return { after, kind: `AES-CTR key stream, seed ${SEED}` }
}
