import { resolve } from 'node:path'
import type { Invitation } from '@dwcp/core'
import { cliError } from '../errors.js'
import type { Output } from '../output.js'

/** A token, and the answer to those that join with it or a later one. */
export interface OpenInvitation extends Invitation {
  readonly enroll: (request: string, binding: Uint8Array) => Promise<string>
}

/** Lets nodes join the cluster whose authority is in `identity`, and says who did. @throws `ERR_CLI_USAGE` */
export async function openInvitation(identity: string | undefined, output: Output): Promise<OpenInvitation> {
  const { enroll, hasAuthority, openTrustStore } = await import('@dwcp/core')
  const directory = identity === undefined ? undefined : resolve(identity)
  if (directory === undefined || !hasAuthority(directory))
    throw cliError('ERR_CLI_USAGE', '--invite: give the --identity that holds the cluster’s authority: "dwcp trust init" makes one')
  using trust = await openTrustStore(directory)
  return {
    ...(await trust.invite()),
    enroll: async (request, binding) => {
      const { bundle, member } = await enroll(directory, request, { binding })
      output.line(`${member.nodeId} has joined`)
      output.record({ event: 'joined', peer: member.nodeId, keyId: member.keyId })
      return bundle
    },
  }
}

export const invitationText = ({ token, expiresAtMs }: Invitation): string =>
  `one node may join until ${new Date(expiresAtMs).toISOString()}: ${token}`

export const invitationRecord = (invitation: Invitation | undefined): Partial<Invitation> =>
  invitation === undefined ? {} : { token: invitation.token, expiresAtMs: invitation.expiresAtMs }
