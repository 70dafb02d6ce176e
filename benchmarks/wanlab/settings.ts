/** One direction of the link. What is absent keeps its value; at the start: no delay, no limit, no loss. */
export interface WanDirection {
  /** One way. */
  readonly delayMs?: number
  /** Time-correlated, so that packets stay in order; with `reorder` independent for each packet. */
  readonly jitterMs?: number
  readonly reorder?: boolean
  /** Of the bottleneck, IP headers included. 0: no limit. */
  readonly rateBitsPerSecond?: number
  /** Room in front of the bottleneck, as time at its rate. */
  readonly queueMs?: number
  /** The same in bytes; wins over `queueMs`. */
  readonly queueBytes?: number
  /** Independent loss, 0..1. */
  readonly lossRatio?: number
  /** Loss in bursts (Gilbert): average ratio 0..1, and mean length of a burst in packets. */
  readonly burstLoss?: { readonly lossRatio: number; readonly meanPackets: number }
  /** A cap on each flow in front of the shared bottleneck. 0: none. */
  readonly flowRateBitsPerSecond?: number
}

/** Both directions, and what differs in one: `ab` from side a to side b, `ba` back. */
export interface WanSettings extends WanDirection {
  /** Half of it each way; not together with `delayMs`. */
  readonly rttMs?: number
  readonly ab?: WanDirection
  readonly ba?: WanDirection
}

const DIRECTION_KEYS: Readonly<Record<keyof WanDirection, true>> = {
  delayMs: true,
  jitterMs: true,
  reorder: true,
  rateBitsPerSecond: true,
  queueMs: true,
  queueBytes: true,
  lossRatio: true,
  burstLoss: true,
  flowRateBitsPerSecond: true,
}

/**
 * The emulator's words for settings.
 *
 * @throws TypeError for an unknown key, RangeError for a value out of range.
 */
export function emulatorWords(settings: WanSettings): string[] {
  const { rttMs, ab, ba, ...both } = settings
  if (rttMs !== undefined && both.delayMs !== undefined) throw new TypeError('rttMs and delayMs both set the delay: give one of them')
  const words = rttMs === undefined ? [] : [`delay=${amount('rttMs', rttMs) / 2}ms`]
  words.push(...directionWords(both, ''))
  if (ab !== undefined) words.push(...directionWords(ab, 'ab.'))
  if (ba !== undefined) words.push(...directionWords(ba, 'ba.'))
  return words
}

function directionWords(direction: WanDirection, prefix: '' | 'ab.' | 'ba.'): string[] {
  for (const key of Object.keys(direction)) {
    if (!(key in DIRECTION_KEYS))
      throw new TypeError(`unknown link setting ${prefix}${key}; known: rttMs, ${Object.keys(DIRECTION_KEYS).join(', ')}`)
  }
  const { delayMs, jitterMs, reorder, rateBitsPerSecond, queueMs, queueBytes, lossRatio, burstLoss, flowRateBitsPerSecond } = direction
  const words: string[] = []
  if (delayMs !== undefined) words.push(`delay=${amount('delayMs', delayMs)}ms`)
  if (jitterMs !== undefined) words.push(`jitter=${amount('jitterMs', jitterMs)}ms`)
  if (reorder !== undefined) words.push(`reorder=${reorder ? 1 : 0}`)
  if (rateBitsPerSecond !== undefined) words.push(`rate=${amount('rateBitsPerSecond', rateBitsPerSecond)}`)
  if (queueMs !== undefined) words.push(`queue=${amount('queueMs', queueMs)}ms`)
  if (queueBytes !== undefined) words.push(`queue=${amount('queueBytes', queueBytes)}`)
  if (lossRatio !== undefined) words.push(`loss=${ratio('lossRatio', lossRatio)}`)
  if (burstLoss !== undefined) words.push(gilbert(burstLoss.lossRatio, burstLoss.meanPackets))
  if (flowRateBitsPerSecond !== undefined) words.push(`flowrate=${amount('flowRateBitsPerSecond', flowRateBitsPerSecond)}`)
  return words.map((word) => prefix + word)
}

/** The emulator's own `burstloss=` takes percent only; the chain of two states it stands for is spelled out here. */
function gilbert(lossRatio: number, meanPackets: number): string {
  if (!(meanPackets >= 1)) throw new RangeError(`burstLoss.meanPackets is ${meanPackets}: at least 1`)
  const leaveBad = 1 / meanPackets
  const share = ratio('burstLoss.lossRatio', lossRatio)
  return `gilbert=${(share * leaveBad) / (1 - share)},${leaveBad},1,0`
}

function amount(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 0) throw new RangeError(`${name} is ${value}: a number from 0 on`)
  return value
}

function ratio(name: string, value: number): number {
  if (!(value >= 0 && value < 1)) throw new RangeError(`${name} is ${value}: a ratio from 0 up to, not including, 1`)
  return value
}
