import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'

/** Where the files of a measurement go, so that no disk is in it: /dev/shm where there is one. */
export async function memoryFolder(): Promise<string> {
  return stat('/dev/shm').then(
    (found) => (found.isDirectory() ? '/dev/shm' : tmpdir()),
    () => tmpdir(),
  )
}
