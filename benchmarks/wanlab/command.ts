import { spawn } from 'node:child_process'
import { isDwcpError } from '@dwcp/interface'
import { control } from './emulator.js'
import { labObstacle } from './host.js'
import { LAB_DEFAULTS } from './lab.js'
import { sweepDeadLabs, WanPlace } from './place.js'

const USAGE = `wanlab up [key=value…]       two namespaces <prefix>a (10.77.0.1) and <prefix>b (10.77.0.2), and a link with these settings
wanlab path N [key=value…]   one more link between them, 10.77.N.0/24
wanlab exec a|b COMMAND…     runs a command on that side
wanlab set key=value…        changes the link while it runs; stats and reset: its counters (P=N: of path N)
wanlab down                  ends everything inside and removes it

Keys: rtt=100ms or delay=50ms, jitter=, rate=500m, queue=50ms or bytes, loss=0.1%, burstloss=1%,5, gilbert=p,r,h,k,
flowrate=, reorder=1, trace=FILE (Mahimahi), mtu=, seed=; ab.KEY and ba.KEY for one direction.
Environment: WL=prefix (wl), WLNET=10.77, WLCC=cubic, WLBUF=bytes, WLOWNER=1 (the next lab sweeps this one once the process that started it is gone).
`

/** The `wanlab` command; resolves to its exit status. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    return await dispatch(argv, env)
  } catch (error) {
    console.error(isDwcpError(error) ? `wanlab: ${error.code}: ${error.message}` : error)
    return 1
  }
}

async function dispatch([verb, ...rest]: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const place = new WanPlace(env['WL'] ?? 'wl')
  const path = Number(env['P'] ?? 0)
  switch (verb) {
    case 'up': {
      const obstacle = await labObstacle()
      if (obstacle !== undefined) throw obstacle
      await sweepDeadLabs()
      const owner = env['WLOWNER'] === '1' ? process.ppid : undefined
      await place.make(
        {
          network: env['WLNET'] ?? LAB_DEFAULTS.network,
          congestionControl: env['WLCC'] ?? LAB_DEFAULTS.congestionControl,
          mtuBytes: Number(rest.find((word) => word.startsWith('mtu='))?.slice(4) ?? LAB_DEFAULTS.mtuBytes),
          bufferBytes: Number(env['WLBUF'] ?? LAB_DEFAULTS.bufferBytes),
        },
        owner,
      )
      await connectOrRemove(place, rest)
      return 0
    }
    case 'path':
      await place.connect(Number(rest[0]), rest.slice(1), false)
      return 0
    case 'exec':
      return run(place, rest)
    case 'set':
      for (const each of env['P'] === undefined ? await place.paths() : [path])
        await control(place.controlPath(each), ['set', ...rest].join(' '))
      return 0
    case 'stats':
    case 'reset':
      console.log(await control(place.controlPath(path), verb))
      return 0
    case 'down':
      await place.remove()
      return 0
    default:
      console.error(USAGE)
      return verb === '--help' ? 0 : 2
  }
}

async function connectOrRemove(place: WanPlace, words: readonly string[]): Promise<void> {
  try {
    await place.connect(0, words, false)
  } catch (error) {
    await place.remove()
    throw error
  }
}

function run(place: WanPlace, [side, ...command]: readonly string[]): Promise<number> {
  if ((side !== 'a' && side !== 'b') || command.length === 0) {
    console.error(USAGE)
    return Promise.resolve(2)
  }
  const child = spawn('ip', ['netns', 'exec', place.namespace(side), ...command], { stdio: 'inherit' })
  // A Ctrl-C at the terminal reaches the command by itself; one sent to us alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
