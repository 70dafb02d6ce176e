export {
  type Authority,
  type AuthorityOptions,
  createAuthority,
  hasAuthority,
  type IssuedCertificate,
  type NewCertificate,
  openAuthority,
} from './authority.js'
export { createEphemeralCredentials, type EphemeralCredentials } from './ephemeral.js'
export { SECURITY_ERROR_CODES, type SecurityError, type SecurityErrorCode } from './errors.js'
export { hasIdentity, type IdentityOptions, type InstalledCertificate, type NodeIdentity, openIdentity } from './identity.js'
export { type Installation, installBundle } from './install.js'
export { isJoinRequest, verifyInviter } from './invitation.js'
export { type Enrolled, type EnrollOptions, enroll, foundCluster, requestedBy, revokeMember, rotateAuthority } from './operator.js'
export { isStatement } from './statements.js'
export {
  createTrustStore,
  hasTrustStore,
  type Invitation,
  type InviteOptions,
  type Member,
  type NodeTrust,
  openTrustStore,
  type TrustList,
  type TrustOptions,
} from './trust-store.js'
