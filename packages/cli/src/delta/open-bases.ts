import { type DeltaBase, fileBase } from '@dwcp/core/delta'

/** All of them, or none stays open. */
export async function openBases(paths: readonly string[]): Promise<readonly DeltaBase[]> {
  const bases: DeltaBase[] = []
  try {
    for (const path of paths) bases.push(await fileBase(path))
    return bases
  } catch (error) {
    for (const base of bases) await base[Symbol.asyncDispose]()
    throw error
  }
}
