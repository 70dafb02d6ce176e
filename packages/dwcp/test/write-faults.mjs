// Preloaded into a node process: counts what it changes on disk through node:fs/promises, and kills the process at the
// write it is told: before it, in the middle of it, or after it.
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

let count = 0
let dieAt = Number.POSITIVE_INFINITY
let dieHow = 'before'
let names = []

const die = () => process.kill(process.pid, 'SIGKILL')

function counted(name, act, half) {
  return async function (...parameters) {
    const mine = ++count
    names.push(name)
    if (mine !== dieAt) return act.apply(this, parameters)
    if (dieHow === 'torn') await half?.apply(this, parameters)
    if (dieHow === 'after') await act.apply(this, parameters).catch(() => undefined)
    die()
  }
}

const probe = await fs.open('/dev/null')
const handle = Object.getPrototypeOf(probe)
await probe.close()
const { write } = handle
handle.write = counted('write', write, function (bytes, offset, length, position) {
  return write.call(this, bytes, offset, Math.floor(length / 2), position)
})
for (const name of ['datasync', 'sync']) handle[name] = counted(name, handle[name])
for (const name of ['writeFile', 'rename', 'link', 'rm']) fs[name] = counted(name, fs[name])
syncBuiltinESMExports()

globalThis.dwcpWrites = {
  /** The `at`-th write from now on is the last. */
  arm(at, how) {
    names = []
    count = 0
    dieAt = at
    dieHow = how
  },
  done: () => names,
}
