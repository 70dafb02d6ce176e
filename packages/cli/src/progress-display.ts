import type { MigrationProgress } from '@dwcp/core'
import { phaseText } from './migration-text.js'
import type { Output } from './output.js'
import { formatByteRate, formatBytes, formatDuration } from './units.js'

/** One line that moves while something is on its way, and is gone afterwards. Draws nothing where nobody watches. */
export interface ProgressDisplay extends Disposable {
  begin(title: string): void
  /** `note` is what else there is to tell; the last one stays. */
  migration(progress: MigrationProgress): void
  /** Any other amount, and at its mean speed the time that is left, where it is known how much there is. What was there before it began is done, and not moved. */
  amount(doneBytes: number, ofBytes: number | undefined, movedBytes?: number): void
  note(text: string): void
  end(): void
}

const FORMAT = '  {title}  {bar}  {state}'
const BAR_COLUMNS = 24
const TITLE_COLUMNS = 24
const FRAMES_PER_SECOND = 15

export async function createProgressDisplay(
  output: Output,
  screen: NodeJS.WritableStream = process.stdout,
  nowMs: () => number = () => performance.now(),
): Promise<ProgressDisplay> {
  if (!output.live) return noDisplay
  const { SingleBar } = (await import('cli-progress')).default
  const { cyan, dim } = output.palette
  const bar = new SingleBar({
    format: FORMAT,
    stream: screen,
    barsize: BAR_COLUMNS,
    fps: FRAMES_PER_SECOND,
    clearOnComplete: true,
    hideCursor: true,
    // The command itself decides what an interruption means; ending the display is part of that.
    gracefulExit: false,
    formatBar: (done) => {
      const full = Math.round(Math.min(1, Math.max(0, done)) * BAR_COLUMNS)
      return cyan('━'.repeat(full)) + dim('━'.repeat(BAR_COLUMNS - full))
    },
  })
  let state = ''
  let extra = ''
  const draw = (done: number): void => bar.update(done, { state: extra === '' ? state : `${state}  ${dim(extra)}` })
  let done = 0
  let begunMs = 0
  return {
    begin(title) {
      state = ''
      done = 0
      begunMs = nowMs()
      bar.start(1, 0, { title: title.padEnd(TITLE_COLUMNS), state })
    },
    migration(progress) {
      done = shareDone(progress)
      state = `${phaseText(progress)}, ${formatBytes(progress.wireBytes)} sent`
      draw(done)
    },
    amount(doneBytes, ofBytes, movedBytes = doneBytes) {
      if (ofBytes === undefined) {
        state = formatBytes(doneBytes)
        return draw(done)
      }
      done = ofBytes > 0 ? doneBytes / ofBytes : 1
      const perMs = movedBytes / (nowMs() - begunMs)
      const left = ofBytes > doneBytes ? `, ${formatDuration((ofBytes - doneBytes) / perMs)} left` : ''
      state = `${formatBytes(doneBytes)} of ${formatBytes(ofBytes)}${perMs > 0 ? `, ${formatByteRate(perMs * 1000)}${left}` : ''}`
      draw(done)
    },
    note(text) {
      extra = text
      draw(done)
    },
    end: () => bar.stop(),
    [Symbol.dispose]: () => bar.stop(),
  }
}

/** Of this round; once the workload stands still there is only the rest. */
function shareDone({ phase, rawBytes, roundRawBytes }: MigrationProgress): number {
  if (phase === 'preparing') return 0
  return phase === 'copying' && roundRawBytes > 0 ? rawBytes / roundRawBytes : 1
}

const nothing = (): void => undefined
const noDisplay: ProgressDisplay = {
  begin: nothing,
  migration: nothing,
  amount: nothing,
  note: nothing,
  end: nothing,
  [Symbol.dispose]: nothing,
}
