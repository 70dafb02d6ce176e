/**
 * How far a tree has come. Totals grow until all of it is listed.
 *
 * @public
 */
export interface TreeProgress {
  readonly files: number
  readonly filesDone: number
  readonly bytes: number
  /** With what was there before. */
  readonly bytesDone: number
  /** Without it. */
  readonly bytesMoved: number
  readonly isListed: boolean
}

/**
 * Something of a tree that could not be sent or made, while the rest was.
 *
 * @public
 */
export interface TreeFailure {
  /** From the tree's root; bytes that are no text are escaped. */
  readonly path: string
  /** The system's (`EACCES`), `ERR_AMST_SOURCE_CHANGED`, or `ERR_AMST_PATH` for what a tree does not carry: devices, links that lead out. */
  readonly code: string
}

/**
 * What became of a tree.
 *
 * @public
 */
export interface TreeReport {
  /** Files, directories and links. */
  readonly entries: number
  readonly files: number
  readonly bytes: number
  /** Of these, what was not there before, or not the same. */
  readonly movedFiles: number
  readonly movedBytes: number
  /** How many entries failed, on either side. */
  readonly failed: number
  /** The first thousand of them that this side knows of. */
  readonly failures: readonly TreeFailure[]
}

const FAILURES_KEPT = 1000

/** Counts what happens. */
export class TreeCount {
  entries = 0
  files = 0
  bytes = 0
  movedFiles = 0
  movedBytes = 0
  failed = 0
  filesDone = 0
  bytesDone = 0
  isListed = false
  readonly failures: TreeFailure[] = []
  readonly #onProgress: ((progress: TreeProgress) => void) | undefined

  constructor(onProgress: ((progress: TreeProgress) => void) | undefined) {
    this.#onProgress = onProgress
  }

  fail(path: string, code: string): void {
    this.failed += 1
    if (this.failures.length < FAILURES_KEPT) this.failures.push({ path, code })
  }

  /** A file that was there, or is now. */
  done(sizeBytes: number, isMoved: boolean): void {
    this.filesDone += 1
    this.bytesDone += sizeBytes
    if (isMoved) {
      this.movedFiles += 1
      this.movedBytes += sizeBytes
    }
  }

  /** @param underWayBytes - Of files that are not done. */
  tell(underWayBytes = 0): void {
    const { files, filesDone, bytes, bytesDone, movedBytes, isListed } = this
    this.#onProgress?.({
      files,
      filesDone,
      bytes,
      bytesDone: bytesDone + underWayBytes,
      bytesMoved: movedBytes + underWayBytes,
      isListed,
    })
  }

  report(): TreeReport {
    const { entries, files, bytes, movedFiles, movedBytes, failed, failures } = this
    return { entries, files, bytes, movedFiles, movedBytes, failed, failures: [...failures] }
  }
}
