import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type EmulatorPlace, startEmulator } from './emulator.js'
import { wanLabError } from './errors.js'
import { ip, ipNow } from './host.js'

/** 'a' and 'b' are the two hosts of a lab. */
export type WanSide = 'a' | 'b'

const RUN = '/run/wanlab'
/** Linux names a device and we name a namespace with at most 15 characters. */
const PREFIX = /^[a-z][a-z0-9]{0,8}$/

export interface PlaceOptions {
  /** First two numbers of the addresses: path N is `network.N.1` and `network.N.2`. */
  readonly network: string
  /** On the route, so that it needs no permission list. */
  readonly congestionControl: string
  readonly mtuBytes: number
  /** The most that TCP may buffer in one direction of one connection. */
  readonly bufferBytes: number
}

/** Where a lab lives on this host: two namespaces, and a folder with one control socket, log and process id for each path. */
export class WanPlace {
  readonly prefix: string
  readonly #folder: string

  constructor(prefix: string) {
    if (!PREFIX.test(prefix))
      throw new RangeError(`the lab's prefix '${prefix}' must be a lower-case letter and up to 8 more letters or digits`)
    this.prefix = prefix
    this.#folder = join(RUN, prefix)
  }

  namespace(side: WanSide): string {
    return `${this.prefix}${side}`
  }

  controlPath(path: number): string {
    return join(this.#folder, `control${path}`)
  }

  /** Makes the namespaces; once the process `owner` is gone they may be swept. @throws ERR_WANLAB_EXISTS, ERR_WANLAB_DENIED */
  async make(options: PlaceOptions, owner: number | undefined): Promise<void> {
    await mkdir(RUN, { recursive: true })
    try {
      await mkdir(this.#folder)
    } catch (cause) {
      throw wanLabError(
        'ERR_WANLAB_EXISTS',
        `a lab with the prefix ${this.prefix} is up: take it down, or choose another prefix`,
        {},
        cause,
      )
    }
    if (owner !== undefined) await writeFile(join(this.#folder, 'owner'), processMark(owner) ?? '')
    await writeFile(join(this.#folder, 'options.json'), JSON.stringify(options))
    for (const side of ['a', 'b'] as const) {
      const name = this.namespace(side)
      await ip('netns', 'add', name)
      await ip('-n', name, 'link', 'set', 'lo', 'up')
      await ip('netns', 'exec', name, 'sh', '-c', tuning(options.bufferBytes))
    }
  }

  /** One more link between the two, number `path`: its own device, addresses and emulator. @throws ERR_WANLAB_START */
  async connect(path: number, words: readonly string[], held: boolean): Promise<void> {
    const options: PlaceOptions = JSON.parse(await readFile(join(this.#folder, 'options.json'), 'utf8'))
    const device = `wan${path}`
    const place: EmulatorPlace = {
      namespaceA: this.namespace('a'),
      namespaceB: this.namespace('b'),
      device,
      controlPath: this.controlPath(path),
      logPath: join(this.#folder, `log${path}`),
      held,
    }
    const emulator = await startEmulator(place, [`mtu=${options.mtuBytes}`, ...words])
    await writeFile(join(this.#folder, `pid${path}`), String(emulator.pid))
    for (const [side, host] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      const name = this.namespace(side)
      const address = `${options.network}.${path}.${host}`
      await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', device)
      await ip('-n', name, 'link', 'set', device, 'mtu', String(options.mtuBytes), 'txqueuelen', '20000', 'up')
      const net = `${options.network}.${path}.0/24`
      await ip('-n', name, 'route', 'replace', net, 'dev', device, 'src', address, 'congctl', options.congestionControl)
    }
  }

  async paths(): Promise<number[]> {
    const names = await readdir(this.#folder).catch(() => [])
    return names.flatMap((name) => (/^pid\d+$/.test(name) ? [Number(name.slice(3))] : [])).sort((a, b) => a - b)
  }

  /** Ends what runs inside and removes all trace. Nothing there is no fault. */
  async remove(): Promise<void> {
    this.#killNow()
    for (const path of await this.paths()) {
      const pid = Number(await readFile(join(this.#folder, `pid${path}`), 'utf8'))
      // The devices belong to the emulator: a new lab of this name could not open them before it is gone.
      while ((await readlink(`/proc/${pid}/exe`).catch(() => '')).includes('wanemu-')) await delay(5)
    }
    this.#forgetNow()
  }

  /** The same in one breath, for the moment when the process ends. */
  removeNow(): void {
    this.#killNow()
    this.#forgetNow()
  }

  #killNow(): void {
    for (const side of ['a', 'b'] as const) {
      // All in these namespaces was started inside this lab.
      for (const pid of ipNow('netns', 'pids', this.namespace(side)).split('\n').filter(Boolean)) killIfThere(Number(pid), 'SIGKILL')
    }
    for (const name of entriesNow(this.#folder)) {
      if (!/^pid\d+$/.test(name)) continue
      const pid = Number(readFileSync(join(this.#folder, name), 'utf8'))
      if (executableNow(pid).startsWith('wanemu-')) killIfThere(pid, 'SIGTERM')
    }
  }

  #forgetNow(): void {
    for (const side of ['a', 'b'] as const) ipNow('netns', 'del', this.namespace(side))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Removes labs whose owner was killed before it could. Resolves to their prefixes. */
export async function sweepDeadLabs(): Promise<string[]> {
  const swept: string[] = []
  for (const prefix of await readdir(RUN).catch(() => [])) {
    const mark = await readFile(join(RUN, prefix, 'owner'), 'utf8').catch(() => undefined)
    if (mark === undefined || mark === '' || processMark(Number.parseInt(mark, 10)) === mark) continue
    await new WanPlace(prefix).remove()
    swept.push(prefix)
  }
  return swept
}

/** Process id and start time: an id alone is used again. */
function processMark(pid: number): string | undefined {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? ''
    return `${pid} ${afterName.split(' ')[19] ?? ''}`
  } catch {
    return undefined
  }
}

/** What a namespace has of its own; the rest stays the host's. A kernel that refuses one of them is named on stderr. */
function tuning(bufferBytes: number): string {
  const settings = [
    ['tcp_rmem', `4096 131072 ${bufferBytes}`],
    ['tcp_wmem', `4096 65536 ${bufferBytes}`],
    // As on a host that nobody tuned, whatever this one does.
    ['tcp_congestion_control', 'cubic'],
    ['tcp_no_metrics_save', '1'],
    ['tcp_mtu_probing', '0'],
    ['tcp_slow_start_after_idle', '0'],
    ['ip_local_port_range', '15000 65000'],
  ] as const
  return settings
    .map(([key, value]) => `echo '${value}' > /proc/sys/net/ipv4/${key} || echo "wanlab: ${key} stays as it is" >&2`)
    .join('\n')
}

function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

function executableNow(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`))
  } catch {
    return ''
  }
}

function entriesNow(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
