import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cliError } from '../errors.js'
import { packageFolder } from '../package-folder.js'
import { formatBitRate, formatDuration } from '../units.js'
import type { DemoLink } from './demo-options.js'

/** Two hosts, real or emulated. */
export interface Place extends AsyncDisposable {
  /** In words. */
  readonly about: string
  readonly plaintext: true | 'trusted-network'
  address(side: 'a' | 'b'): string
  /** The command line that runs `command` on that side. */
  command(side: 'a' | 'b', command: readonly string[]): readonly string[]
  /** How to take away by hand what is left when the demo keeps it. */
  readonly cleanUp: readonly string[]
}

const run = promisify(execFile)
/** Room in front of the bottleneck: a fraction of a long path's round trip, but never less than a burst needs. */
const QUEUE_MS = 50

/** @throws `ERR_CLI_NO_LAB` where the link needs the WAN lab and it cannot be had here. */
export async function openPlace(link: DemoLink, keep: boolean): Promise<Place> {
  return link.kind === 'loopback' ? loopback : openLab(link, keep)
}

const loopback: Place = {
  about: 'loopback of this host',
  plaintext: true,
  address: () => '127.0.0.1',
  command: (_side, command) => command,
  cleanUp: [],
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

async function openLab(link: Exclude<DemoLink, { kind: 'loopback' }>, keep: boolean): Promise<Place> {
  const wanlab = join(dirname(dirname(packageFolder())), 'benchmarks', 'wanlab', 'wanlab')
  if (!existsSync(wanlab)) {
    throw cliError(
      'ERR_CLI_NO_LAB',
      `--link ${link.kind} needs the WAN lab, which is in the repository and not in the package: clone it, npm start, and run it there`,
    )
  }
  if (process.geteuid?.() !== 0) {
    throw cliError(
      'ERR_CLI_NO_LAB',
      `--link ${link.kind} makes network namespaces, which needs root: run it as root, or without --link on loopback`,
    )
  }
  const prefix = `d${process.pid.toString(36)}`.slice(0, 9)
  const network = `10.${64 + (process.pid % 64)}`
  // Of a demo that is killed, the next lab takes this one away.
  const env = { ...process.env, WL: prefix, WLNET: network, WLOWNER: keep ? '0' : '1' }
  const { rttMs, rateBitsPerSecond, lossRatio } = link
  const words = [`rtt=${rttMs}ms`, `rate=${rateBitsPerSecond}`, `queue=${QUEUE_MS}ms`, `loss=${lossRatio}`]
  const down = async (): Promise<void> => void (await run(process.execPath, [wanlab, 'down'], { env }))
  try {
    await run(process.execPath, [wanlab, 'up', ...words], { env })
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : String(cause)
    await down().catch(() => undefined)
    throw cliError('ERR_CLI_NO_LAB', `the WAN lab did not come up: ${said}`, cause)
  }
  return {
    about: `emulated ${link.kind.toUpperCase()}: round trip ${formatDuration(rttMs)}, ${formatBitRate(rateBitsPerSecond)}, loss ${lossRatio * 100} %`,
    plaintext: 'trusted-network',
    address: (side) => `${network}.0.${side === 'a' ? 1 : 2}`,
    command: (side, command) => ['ip', 'netns', 'exec', `${prefix}${side}`, ...command],
    cleanUp: [`WL=${prefix} ${wanlab} down`],
    [Symbol.asyncDispose]: down,
  }
}
