/** What the doctor found out about one thing. */
export interface Check {
  /** A short name that stays: for programs. */
  readonly id: string
  readonly title: string
  /** `warning`: there, but not as it should be. */
  readonly status: 'ok' | 'missing' | 'warning'
  /** Whether DWCP does not work without it; what is missing otherwise only makes it slower or smaller. */
  readonly needed: boolean
  /** What is there, or why it is not. */
  readonly detail: string
  /** What to do about it. */
  readonly remedy?: string
}

type Finding = Omit<Check, 'id' | 'title' | 'needed'>

export function ok(detail: string): Finding {
  return { status: 'ok', detail }
}

export function missing(detail: string, remedy?: string): Finding {
  return { status: 'missing', detail, ...(remedy === undefined ? {} : { remedy }) }
}

export function warning(detail: string, remedy: string): Finding {
  return { status: 'warning', detail, remedy }
}

/** One thing to look at. What `find` throws counts as missing, with the error as the reason. */
export interface Examination {
  readonly id: string
  readonly title: string
  readonly needed?: boolean
  readonly find: () => Promise<Finding>
}

export async function examine({ id, title, needed = false, find }: Examination): Promise<Check> {
  try {
    return { id, title, needed, ...(await find()) }
  } catch (error) {
    return { id, title, needed, ...missing(reasonOf(error)) }
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
