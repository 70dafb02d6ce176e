import type { ClusterId, NodeId } from '@dwcp/interface'
import { securityError } from './errors.js'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** @throws `ERR_SECURITY_NAME` */
export function checkName(name: string, what: string): string {
  if (NAME.test(name)) return name
  throw securityError(
    'ERR_SECURITY_NAME',
    `${what} ${JSON.stringify(name.slice(0, 80))}: write up to 64 letters, digits, dots, dashes or underscores, the first a letter or digit`,
  )
}

export const isName = (name: string): boolean => NAME.test(name)

/** The name of a node in a certificate's subjectAltName, as SPIFFE writes them. */
export const nodeUri = (cluster: ClusterId, nodeId: NodeId): string => `dwcp://${cluster}/node/${nodeId}`

export const clusterUri = (cluster: ClusterId): string => `dwcp://${cluster}`
