import type { WorkloadStatus } from '@dwcp/core'

/** One workload's state as a sentence. */
export function inWords({ id, state, epoch, owner, reason, phase }: WorkloadStatus): string {
  if (state === 'running') return `${id} runs here (epoch ${epoch})`
  if (state === 'leaving') return `${id} is leaving: ${phase ?? 'preparing'}`
  if (state === 'settling') return `${id}: not known yet whether it has moved; nothing runs until its target answers`
  if (state === 'moved') return `${id} has moved to ${owner ?? 'another node'} (epoch ${epoch})`
  if (state === 'ended') return `${id} has ended: ${reason ?? 'no reason was given'}`
  return `${id} waits: its source may take it back`
}
