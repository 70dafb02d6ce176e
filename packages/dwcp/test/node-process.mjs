// One node in a process of its own. It does what its parent asks over IPC, and writes down, so that a SIGKILL does not
// lose it, each slice that runs here, each change of state, and each blow that it strikes.
import { openSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { loadWorkload, startNode } from '../dist/index.js'

/** Strikes and changes; slices, which are many, have a file of their own. */
let events
let slices
let node
let leaving = false

const write = (event) => writeSync(events, `${JSON.stringify({ ...event, node: node?.id, pid: process.pid, atMs: Date.now() })}\n`)

/** Kills (or stops) `pid` at once: nothing of this process runs between the look at the phase and the signal. */
function strike({ pid, signal, name }, phase) {
  write({ kind: 'strike', name, phase })
  process.kill(pid, signal)
}

/** Timers are no finer than a millisecond, and a transfer is not much longer. */
async function reach(atMs) {
  while (performance.now() < atMs) await turn()
}

const calls = {
  async start({ id, dataDirectory, port, peers, trace, closeOnTerm }) {
    events = openSync(`${trace}.events`, 'a')
    slices = openSync(`${trace}.slices`, 'a')
    node = await startNode({
      id,
      dataDirectory,
      listen: { port },
      peers,
      plaintext: true,
      ...(process.env.DWCP_TEST_MODE === undefined ? {} : { mode: process.env.DWCP_TEST_MODE }),
      // Where writes are counted, only the journal is to make any.
      ...(globalThis.dwcpWrites === undefined ? {} : { baselineStoreBytes: 0 }),
      wasm: { record: (workload, { slice }) => writeSync(slices, `${workload} ${slice}\n`) },
    })
    void watch()
    if (closeOnTerm) process.once('SIGTERM', () => void leave())
    return node.workloads()
  },
  async run({ workload, program, seed }) {
    return node.run(await loadWorkload(program), { id: workload, seed })
  },
  async migrate({ workload, to, blow }) {
    const startedMs = performance.now()
    let phase = 'preparing'
    let due = blow === undefined || blow.phase === undefined ? undefined : blow.phase
    const after = (fromMs) => reach(fromMs + blow.delayMs).then(() => strike(blow, phase))
    let struck = blow !== undefined && due === undefined ? after(startedMs) : undefined
    const onProgress = (progress) => {
      if (progress.phase !== phase) process.send({ phase: progress.phase, workload })
      phase = progress.phase
      if (phase !== due) return
      due = undefined
      if (blow.delayMs === 0) strike(blow, phase)
      else struck = after(performance.now())
    }
    try {
      const { epoch, totalMs, pausedMs } = await node.migrate(workload, to, { onProgress, downtimeMs: 1000, exceedDowntime: true })
      phase = 'done'
      return { epoch, totalMs, pausedMs }
    } catch (error) {
      phase = 'failed'
      return { code: error.code ?? 'none', message: error.message }
    } finally {
      await struck
    }
  },
  workloads: async () => node.workloads(),
  end: async ({ workload }) => node.end(workload),
  async memory() {
    // V8 frees buffers on a thread of its own and Node runs finalizers on a later turn: only the next collection counts what the last found.
    for (let round = 0; round < 3; round += 1) {
      globalThis.gc?.()
      await turn()
    }
    return process.memoryUsage()
  },
  arm: async ({ at, how }) => globalThis.dwcpWrites.arm(at, how),
  writes: async () => globalThis.dwcpWrites.done(),
  close: () => leave(),
}

async function watch() {
  for await (const change of node.changes()) {
    if (change.kind !== 'workload') continue
    const status = node.workloads().find((each) => each.id === change.workload)
    if (status !== undefined) write({ kind: 'status', ...status })
  }
}

async function leave() {
  leaving = true
  await node.close()
  process.disconnect()
}

async function answer({ id, name, value }) {
  try {
    const result = await calls[name](value)
    if (process.connected) process.send({ id, result })
  } catch (error) {
    if (process.connected) process.send({ id, failure: { code: error.code, message: error.message } })
  }
}

process.on('message', (call) => void answer(call))
// Without its parent it has no reason to be; one that leaves by itself ends when nothing holds it.
process.on('disconnect', () => leaving || process.exit())
process.send({ loaded: true })
