import type { Contender, OpenCase, SuiteContext } from '../../harness/suite.js'
import { openWanLab, type WanLab } from '../../wanlab/lab.js'
import type { WanSettings } from '../../wanlab/settings.js'
import { SEED } from '../transport/carrier.js'
import { rejectLate } from './late.js'

/** Ends it with the case. */
export type Hold = <Held extends AsyncDisposable>(held: Held) => Held

/** A case in a lab of its own, which is gone after it. */
export async function inLab(
  link: WanSettings,
  context: SuiteContext,
  open: (lab: WanLab, hold: Hold) => Promise<{ readonly bytes: number; readonly contenders: readonly Contender[] }>,
): Promise<OpenCase> {
  const lab = await openWanLab(link)
  const held: AsyncDisposable[] = []
  const close = async (): Promise<void> => {
    try {
      for (const each of held.toReversed()) await each[Symbol.asyncDispose]()
      await rejectLate(lab, context)
    } finally {
      await lab.close()
    }
  }
  const hold: Hold = (one) => {
    held.push(one)
    return one
  }
  try {
    const { bytes, contenders } = await open(lab, hold)
    return { data: { kind: 'random, repeated every 16 MiB', bytes, seed: SEED }, contenders, [Symbol.asyncDispose]: close }
  } catch (cause) {
    await close()
    throw cause
  }
}
