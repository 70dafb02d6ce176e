import type { DwcpNode, MigrateOptions } from '@dwcp/core'
import { parseAddress } from '../address.js'
import type { ControlArguments, ControlHandler } from '../control/serve.js'
import { cliError } from '../errors.js'
import { loadProgram } from '../program-source.js'

/** Progress beyond this rate is for nobody's eyes; a change of phase is always told. */
const PROGRESS_EVERY_MS = 40

/** What another shell may ask of a running node. */
export function nodeOperations(node: DwcpNode): Readonly<Record<string, ControlHandler>> {
  return {
    status: async () => ({
      id: node.id,
      pid: process.pid,
      address: node.address,
      workloads: node.workloads(),
      links: node.links(),
      flags: node.flags(),
    }),

    async run(args) {
      const { module, name } = await loadProgram(text(args, 'program'))
      const seed = optional(args, 'seed', isCount)
      return node.run(module, { id: optional(args, 'id', isText) ?? name, ...(seed === undefined ? {} : { seed }) })
    },

    async migrate(args, { signal, emit }) {
      const to = text(args, 'to')
      const downtimeMs = optional(args, 'downtimeMs', isAmount)
      const maxRounds = optional(args, 'maxRounds', isCount)
      let phase = ''
      let lastMs = 0
      const options: MigrateOptions = {
        ...(downtimeMs === undefined ? {} : { downtimeMs }),
        ...(maxRounds === undefined ? {} : { maxRounds }),
        exceedDowntime: optional(args, 'exceedDowntime', isFlag) ?? false,
        signal,
        onProgress(progress) {
          const nowMs = performance.now()
          if (progress.phase === phase && nowMs - lastMs < PROGRESS_EVERY_MS) return
          phase = progress.phase
          lastMs = nowMs
          emit(progress)
        },
      }
      return node.migrate(text(args, 'workload'), to.includes(':') ? parseAddress(to, '--to') : to, options)
    },

    async end(args) {
      await node.end(text(args, 'workload'), optional(args, 'reason', isText) ?? 'ended by its operator')
    },
  }
}

function text(args: ControlArguments, name: string): string {
  const value = optional(args, name, isText)
  if (value === undefined) throw cliError('ERR_CLI_CONTROL', `"${name}" is missing`)
  return value
}

function optional<T>(args: ControlArguments, name: string, is: (value: unknown) => value is T): T | undefined {
  const value = args[name]
  if (value === undefined) return undefined
  if (!is(value)) throw cliError('ERR_CLI_CONTROL', `"${name}" is ${JSON.stringify(value).slice(0, 80)}, which it cannot be`)
  return value
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 4096
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isCount(value: unknown): value is number {
  return isAmount(value) && Number.isSafeInteger(value)
}

function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean'
}
