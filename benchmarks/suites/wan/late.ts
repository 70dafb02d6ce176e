import type { SuiteContext } from '../../harness/suite.js'
import type { WanLab } from '../../wanlab/lab.js'

const LATE_US_MOST = 1_000

/** @throws where this machine was too busy to emulate the link; in the short form, whose times mean nothing, that is noted. */
export async function rejectLate(lab: WanLab, context: SuiteContext): Promise<void> {
  const { ab, ba } = await lab.stats()
  const lateUs = Math.max(ab.lateUsMean, ba.lateUsMean)
  if (lateUs <= LATE_US_MOST) return
  const text = `the emulator delivered packets ${lateUs.toFixed(0)} µs late on average (${LATE_US_MOST} are allowed): this machine was too busy`
  if (!context.short) throw new Error(`${text}; run it again when less else runs`)
  context.note(text)
}
