import { type ChildProcess, execFile, type StdioOptions, spawn } from 'node:child_process'
import { removeAtExit } from '../harness/cleanup.js'
import { control } from './emulator.js'
import { wanLabError } from './errors.js'
import { labObstacle } from './host.js'
import { type PlaceOptions, sweepDeadLabs, WanPlace, type WanSide } from './place.js'
import { emulatorWords, type WanSettings } from './settings.js'

export interface WanLabOptions extends WanSettings {
  /** Names the namespaces `<prefix>a` and `<prefix>b`. @defaultValue one of this process's own */
  readonly prefix?: string
  /** @defaultValue '10.77' */
  readonly network?: string
  /** Default of every connection inside; a program may still choose. @defaultValue 'cubic' */
  readonly congestionControl?: string
  /** @defaultValue 1500 */
  readonly mtuBytes?: number
  /** The most that TCP may buffer in one direction of one connection. @defaultValue 512 MiB */
  readonly bufferBytes?: number
  /** Of the emulator's loss and jitter. @defaultValue 1 */
  readonly seed?: number
}

export interface WanExecOptions {
  readonly signal?: AbortSignal
  readonly env?: Readonly<Record<string, string>>
  /** @defaultValue 16 MiB */
  readonly outputBytes?: number
}

export interface WanDirectionStats {
  readonly inPackets: number
  readonly inBytes: number
  readonly outPackets: number
  readonly outBytes: number
  readonly droppedByQueue: number
  readonly droppedByLoss: number
  readonly droppedByFlowRate: number
  /** How much later than due packets were delivered; past 1,000 on average the host was too busy and the run must be rejected. */
  readonly lateUsMean: number
  readonly lateUsMax: number
}

export interface WanStats {
  readonly ab: WanDirectionStats
  readonly ba: WanDirectionStats
}

/** Two hosts (namespaces) and an emulated wide-area link between them; real kernel TCP at both ends. */
export interface WanLab extends AsyncDisposable {
  readonly prefix: string
  namespace(side: WanSide): string
  address(side: WanSide, path?: number): string
  /** The command line that runs `command` on that side, for callers that start it themselves. */
  command(side: WanSide, command: readonly string[]): readonly [string, ...string[]]
  /** Runs a command to its end. @throws ERR_WANLAB_EXEC with what it printed, when it ends other than with 0. */
  exec(side: WanSide, command: readonly string[], options?: WanExecOptions): Promise<{ readonly stdout: string; readonly stderr: string }>
  /** Starts a command; it is killed with the lab. */
  spawn(
    side: WanSide,
    command: readonly string[],
    options?: { readonly stdio?: StdioOptions; readonly env?: NodeJS.ProcessEnv },
  ): ChildProcess
  /** Changes the link while it runs. @throws TypeError, RangeError, ERR_WANLAB_SETTING */
  set(settings: WanSettings, path?: number): Promise<void>
  /** A second, third … link between the two, `path` 1 to 255, with addresses of its own. */
  addPath(path: number, settings: WanSettings): Promise<void>
  /** Counters since the start or the last `resetStats`. */
  stats(path?: number): Promise<WanStats>
  resetStats(path?: number): Promise<void>
  /** Ends everything inside and removes it. Idempotent. */
  close(): Promise<void>
}

export const LAB_DEFAULTS: PlaceOptions = {
  network: '10.77',
  congestionControl: 'cubic',
  mtuBytes: 1500,
  bufferBytes: 512 * 1024 * 1024,
}

let counter = 0

/**
 * Opens a lab. It is gone after `close`, after the process ends, and after the next `openWanLab` when the process was killed.
 *
 * @throws ERR_WANLAB_NOT_ROOT, ERR_WANLAB_TOOL_MISSING, ERR_WANLAB_NO_TUN, ERR_WANLAB_DENIED, ERR_WANLAB_EXISTS, ERR_WANLAB_BUILD, ERR_WANLAB_START
 *
 * @example
 * ```ts
 * await using lab = await openWanLab({ rttMs: 100, rateBitsPerSecond: 500e6, queueMs: 50, lossRatio: 0.001 })
 * const { stdout } = await lab.exec('a', ['ping', '-c', '3', lab.address('b')])
 * ```
 */
export async function openWanLab(options: WanLabOptions = {}): Promise<WanLab> {
  const {
    prefix = `w${process.pid.toString(36)}${(counter++ % 1296).toString(36)}`,
    network,
    congestionControl,
    mtuBytes,
    bufferBytes,
    seed = 1,
    ...link
  } = options
  const words = [`seed=${seed}`, ...emulatorWords(link)]
  const obstacle = await labObstacle()
  if (obstacle !== undefined) throw obstacle
  await sweepDeadLabs()
  const place = new WanPlace(prefix)
  const settings: PlaceOptions = {
    network: network ?? LAB_DEFAULTS.network,
    congestionControl: congestionControl ?? LAB_DEFAULTS.congestionControl,
    mtuBytes: mtuBytes ?? LAB_DEFAULTS.mtuBytes,
    bufferBytes: bufferBytes ?? LAB_DEFAULTS.bufferBytes,
  }
  const guard = removeAtExit(place)
  try {
    await place.make(settings, process.pid)
    await place.connect(0, words, true)
  } catch (cause) {
    guard[Symbol.dispose]()
    // A lab that was there before us is not ours to remove.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_WANLAB_EXISTS')) await place.remove()
    throw cause
  }
  return new OpenLab(place, settings, guard)
}

class OpenLab implements WanLab {
  readonly prefix: string
  readonly #place: WanPlace
  readonly #settings: PlaceOptions
  readonly #guard: Disposable
  #closing: Promise<void> | undefined

  constructor(place: WanPlace, settings: PlaceOptions, guard: Disposable) {
    this.prefix = place.prefix
    this.#place = place
    this.#settings = settings
    this.#guard = guard
  }

  namespace(side: WanSide): string {
    return this.#place.namespace(side)
  }

  address(side: WanSide, path = 0): string {
    return `${this.#settings.network}.${path}.${side === 'a' ? 1 : 2}`
  }

  command(side: WanSide, command: readonly string[]): readonly [string, ...string[]] {
    if (this.#closing !== undefined) throw wanLabError('ERR_WANLAB_CLOSED', `the lab ${this.prefix} is closed`)
    return ['ip', 'netns', 'exec', this.namespace(side), ...command]
  }

  exec(
    side: WanSide,
    command: readonly string[],
    options: WanExecOptions = {},
  ): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const [file, ...args] = this.command(side, command)
    const { signal, env, outputBytes = 16 * 1024 * 1024 } = options
    return new Promise((resolve, reject) => {
      execFile(file, args, { signal, env: { ...process.env, ...env }, maxBuffer: outputBytes }, (cause, stdout, stderr) => {
        if (cause === null) resolve({ stdout, stderr })
        else if (signal?.aborted) reject(signal.reason)
        else {
          const said = (stderr || stdout).trim().slice(-2_000)
          reject(
            wanLabError(
              'ERR_WANLAB_EXEC',
              `${command.join(' ')} on side ${side} ended with ${cause.code ?? cause.signal}: ${said}`,
              { side, command, stdout, stderr },
              cause,
            ),
          )
        }
      })
    })
  }

  spawn(
    side: WanSide,
    command: readonly string[],
    options: { readonly stdio?: StdioOptions; readonly env?: NodeJS.ProcessEnv } = {},
  ): ChildProcess {
    const [file, ...args] = this.command(side, command)
    return spawn(file, args, { stdio: options.stdio ?? 'pipe', env: { ...process.env, ...options.env } })
  }

  async set(settings: WanSettings, path = 0): Promise<void> {
    await this.#control(path, ['set', ...emulatorWords(settings)].join(' '))
  }

  async addPath(path: number, settings: WanSettings): Promise<void> {
    if (!Number.isInteger(path) || path < 1 || path > 255) throw new RangeError(`path is ${path}: 1 to 255`)
    await this.#place.connect(path, emulatorWords(settings), true)
  }

  async stats(path = 0): Promise<WanStats> {
    const raw: Record<'ab' | 'ba', Record<string, number>> = JSON.parse(await this.#control(path, 'stats'))
    return { ab: directionStats(raw.ab), ba: directionStats(raw.ba) }
  }

  async resetStats(path = 0): Promise<void> {
    await this.#control(path, 'reset')
  }

  close(): Promise<void> {
    this.#closing ??= this.#place.remove().finally(() => this.#guard[Symbol.dispose]())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #control(path: number, line: string): Promise<string> {
    if (this.#closing !== undefined) throw wanLabError('ERR_WANLAB_CLOSED', `the lab ${this.prefix} is closed`)
    return control(this.#place.controlPath(path), line)
  }
}

function directionStats(raw: Readonly<Record<string, number>>): WanDirectionStats {
  return {
    inPackets: raw['in_pkts'] ?? 0,
    inBytes: raw['in_bytes'] ?? 0,
    outPackets: raw['out_pkts'] ?? 0,
    outBytes: raw['out_bytes'] ?? 0,
    droppedByQueue: raw['drop_queue'] ?? 0,
    droppedByLoss: raw['drop_loss'] ?? 0,
    droppedByFlowRate: raw['drop_flow'] ?? 0,
    lateUsMean: raw['late_avg_us'] ?? 0,
    lateUsMax: raw['late_max_us'] ?? 0,
  }
}
