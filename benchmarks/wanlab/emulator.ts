import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, open, readFile, rename } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { wanLabError } from './errors.js'

const PACKAGE = packageRoot()
const SOURCE = join(PACKAGE, 'wanlab', 'wanemu.c')
/** Ignored by git. */
const BUILD = join(PACKAGE, 'build')
const START_MS = 5_000
const CONTROL_MS = 3_000

/** `benchmarks/`, from the source as from dist, which mirrors it one folder deeper. */
function packageRoot(): string {
  const parent = dirname(dirname(fileURLToPath(import.meta.url)))
  return parent.endsWith('dist') ? dirname(parent) : parent
}

/** Compiles the emulator on first use, and again when its source has changed; resolves to the executable. */
export async function emulatorPath(): Promise<string> {
  const source = await readFile(SOURCE)
  const path = join(BUILD, `wanemu-${createHash('sha256').update(source).digest('hex').slice(0, 12)}`)
  try {
    await access(path)
    return path
  } catch {
    // Not built yet: the two of us who build at once each have a name of their own, and the last rename wins.
  }
  await mkdir(BUILD, { recursive: true })
  const mine = `${path}.${process.pid}`
  try {
    await promisify(execFile)('gcc', ['-O2', '-o', mine, SOURCE, '-lpthread', '-lm'])
  } catch (cause) {
    throw wanLabError('ERR_WANLAB_BUILD', `gcc could not build ${SOURCE}: see the cause`, { source: SOURCE }, cause)
  }
  await rename(mine, path)
  return path
}

export interface EmulatorPlace {
  readonly namespaceA: string
  readonly namespaceB: string
  readonly device: string
  readonly controlPath: string
  readonly logPath: string
  /** true: ends with this process, whatever happens to it. false: runs until it is killed. */
  readonly held: boolean
}

/** Starts the emulator and resolves when it forwards packets. @throws ERR_WANLAB_START with its own words. */
export async function startEmulator(place: EmulatorPlace, words: readonly string[]): Promise<ChildProcess> {
  const executable = await emulatorPath()
  const log = await open(place.logPath, 'w+')
  try {
    const args = [
      `nsa=${place.namespaceA}`,
      `nsb=${place.namespaceB}`,
      `if=${place.device}`,
      `ctl=${place.controlPath}`,
      `hold=${place.held ? 1 : 0}`,
      ...words,
    ]
    const child = spawn(executable, args, { detached: true, stdio: [place.held ? 'pipe' : 'ignore', log.fd, log.fd] })
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => reject(new Error(`it ended with ${code ?? signal}`)))
    })
    ended.catch(() => undefined)
    await Promise.race([ended, answers(place.controlPath)])
    child.unref()
    return child
  } catch (cause) {
    const said = await readFile(place.logPath, 'utf8')
    throw wanLabError('ERR_WANLAB_START', `the emulator did not start: ${said.trim() || String(cause)}`, { words }, cause)
  } finally {
    await log.close()
  }
}

async function answers(controlPath: string): Promise<void> {
  const deadline = performance.now() + START_MS
  // Bounded by the deadline.
  for (;;) {
    try {
      await control(controlPath, 'stats')
      return
    } catch (cause) {
      if (performance.now() > deadline) throw cause
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/**
 * Sends one line to a running emulator; resolves to its one line of answer.
 *
 * @throws ERR_WANLAB_SETTING when it refuses, ERR_WANLAB_CONTROL when it does not answer.
 */
export async function control(controlPath: string, line: string): Promise<string> {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = createConnection(controlPath)
    const parts: string[] = []
    const fail = (cause: unknown): void => {
      socket.destroy()
      reject(
        wanLabError('ERR_WANLAB_CONTROL', `no answer from the emulator at ${controlPath}: is the lab up?`, { controlPath, line }, cause),
      )
    }
    socket.setEncoding('utf8').setTimeout(CONTROL_MS, () => fail(new Error(`silent for ${CONTROL_MS} ms`)))
    socket.on('error', fail)
    socket.on('data', (text: string) => parts.push(text))
    socket.on('end', () => resolve(parts.join('').trim()))
    socket.write(`${line}\n`)
  })
  if (answer.startsWith('error')) throw wanLabError('ERR_WANLAB_SETTING', `the emulator refused '${line}': ${answer}`, { line })
  if (answer === '') throw wanLabError('ERR_WANLAB_CONTROL', `the emulator at ${controlPath} hung up on '${line}'`, { controlPath, line })
  return answer
}
