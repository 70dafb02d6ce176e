import { PathPacer, type PathPacerEnvironment } from './path-pacer.js'

/** Looks after the streams that objects go out on, those of each path by themselves. */
export class Pacer {
  readonly #environment: PathPacerEnvironment
  readonly #paths = new Map<string, PathPacer>()

  constructor(environment: PathPacerEnvironment) {
    this.#environment = environment
  }

  /** Something is sent, or there is another stream to send it on. */
  begin(): void {
    const { streams } = this.#environment
    const paths = new Set(streams().map((stream) => stream.path))
    for (const path of this.#paths.keys()) if (!paths.has(path)) this.#drop(path)
    for (const path of paths) {
      const pacer =
        this.#paths.get(path) ?? new PathPacer({ ...this.#environment, streams: () => streams().filter((stream) => stream.path === path) })
      this.#paths.set(path, pacer)
      pacer.begin()
    }
  }

  /** The streams are of another kind now. */
  reset(): void {
    for (const pacer of this.#paths.values()) pacer.reset()
  }

  stop(): void {
    for (const path of this.#paths.keys()) this.#drop(path)
  }

  #drop(path: string): void {
    this.#paths.get(path)?.stop()
    this.#paths.delete(path)
  }
}
