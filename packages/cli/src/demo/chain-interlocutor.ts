import { HashChainVerifier, hashChain } from '@dwcp/core'
import { formatCount } from '../units.js'
import type { Interlocutor } from './interlocutor.js'

/** Follows the hash chain link by link and compares at each answer: a slice lost, repeated or run twice changes all after it. */
export function createChainInterlocutor(): Interlocutor {
  const verifier = new HashChainVerifier()
  let seen = 0
  const judge: Interlocutor['judge'] = (reply) => {
    const status = hashChain.decode(reply)
    if (status.links < seen) return 'repeated'
    seen = status.links
    return verifier.verify(status) ? 'right' : 'wrong'
  }
  return {
    prepare: async () => undefined,
    next: () => hashChain.status(),
    judge,
    async verify(ask) {
      const verified = judge(await ask(hashChain.status())) === 'right'
      const links = `${formatCount(seen)} links recomputed here`
      return { verified, text: verified ? `${links}: the same last link` : `${links}: another last link` }
    },
  }
}
