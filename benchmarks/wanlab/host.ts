import { execFile, spawnSync } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { DwcpError } from '@dwcp/interface'
import { type WanLabErrorCode, wanLabError } from './errors.js'

const run = promisify(execFile)

/** What keeps this host from running a lab, with what to do about it; undefined where nothing does. */
export async function labObstacle(): Promise<DwcpError<WanLabErrorCode> | undefined> {
  if (process.platform !== 'linux')
    return wanLabError('ERR_WANLAB_NOT_ROOT', `the WAN lab needs Linux network namespaces; this is ${process.platform}`)
  if (process.geteuid?.() !== 0) {
    return wanLabError('ERR_WANLAB_NOT_ROOT', 'the WAN lab makes network namespaces, which needs root: run this as root (or with sudo -E)')
  }
  for (const [tool, debianPackage] of [
    ['ip', 'iproute2'],
    ['gcc', 'build-essential'],
  ] as const) {
    if (!((await works(tool, ['--version'])) || (await works(tool, ['-V'])))) {
      return wanLabError('ERR_WANLAB_TOOL_MISSING', `the WAN lab needs ${tool}: apt-get install -y ${debianPackage}`, {
        tool,
        debianPackage,
      })
    }
  }
  try {
    await access('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch (cause) {
    return wanLabError(
      'ERR_WANLAB_NO_TUN',
      'the WAN lab needs /dev/net/tun: modprobe tun, or give the container --device /dev/net/tun',
      {},
      cause,
    )
  }
  return undefined
}

async function works(tool: string, args: readonly string[]): Promise<boolean> {
  return run(tool, args).then(
    () => true,
    () => false,
  )
}

/** Runs `ip` with these arguments. @throws ERR_WANLAB_DENIED with what `ip` said. */
export async function ip(...args: readonly string[]): Promise<string> {
  try {
    return (await run('ip', args)).stdout
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.trim() : String(cause)
    throw wanLabError('ERR_WANLAB_DENIED', `${said}; a container needs --cap-add NET_ADMIN,SYS_ADMIN for the WAN lab`, { args }, cause)
  }
}

/** The same at exit, when nothing can be awaited; what is already gone is no fault. */
export function ipNow(...args: readonly string[]): string {
  const done = spawnSync('ip', args, { encoding: 'utf8', timeout: 5_000 })
  return done.stdout ?? ''
}
