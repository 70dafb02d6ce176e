import { DwcpError } from '@dwcp/interface'
import type { HdeErrorCode } from '../errors.js'

type Facts = Readonly<Record<string, unknown>>

/** A packet that no v1 node makes. v1 knows no request: what to do is the operator's. */
export function refused(message: string, details: Facts = {}, cause?: unknown): DwcpError<HdeErrorCode> {
  const text = `${message}; this is not a whole v1 packet: have the object sent again, in full`
  return new DwcpError('ERR_HDE_CORRUPT', text, cause === undefined ? { details } : { details, cause })
}

export function baselineMissing(id: string, reason: string): DwcpError<HdeErrorCode> {
  const text = `a v1 delta builds on '${id}', ${reason}: have the object sent again, in full`
  return new DwcpError('ERR_HDE_BASELINE_MISSING', text, { details: { baselineId: id } })
}

export function tooLong(limitBytes: number, cause?: unknown): DwcpError<HdeErrorCode> {
  const text = `a v1 packet of an object of more than ${limitBytes} bytes: raise objectBytes (or lengthBytes) where that is what it has`
  const details = { what: 'an object', limit: limitBytes }
  return new DwcpError('ERR_HDE_LIMIT', text, cause === undefined ? { details } : { details, cause })
}
