/** What a pino logger offers and this SDK uses. Silent where none is given. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

const nothing = (): void => undefined

/** The default of every `logger` option. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
