import { DwcpError } from '@dwcp/interface'

/**
 * `NOT_ROOT`, `TOOL_MISSING`, `NO_TUN`, `DENIED`: this host cannot run a lab, the message says what to do.
 * `BUILD`: the emulator did not compile. `START`: it did not come up. `SETTING`: it refused a setting. `CONTROL`: it does not answer.
 * `EXEC`: a command inside the lab ended badly. `CLOSED`: the lab is closed. `EXISTS`: another lab has this prefix.
 */
export type WanLabErrorCode =
  | 'ERR_WANLAB_NOT_ROOT'
  | 'ERR_WANLAB_TOOL_MISSING'
  | 'ERR_WANLAB_NO_TUN'
  | 'ERR_WANLAB_DENIED'
  | 'ERR_WANLAB_BUILD'
  | 'ERR_WANLAB_START'
  | 'ERR_WANLAB_SETTING'
  | 'ERR_WANLAB_CONTROL'
  | 'ERR_WANLAB_EXEC'
  | 'ERR_WANLAB_CLOSED'
  | 'ERR_WANLAB_EXISTS'

export function wanLabError(
  code: WanLabErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): DwcpError<WanLabErrorCode> {
  return new DwcpError(code, message, cause === undefined ? { details } : { details, cause })
}
