import { once } from 'node:events'
import { unlink } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { cliError } from '../errors.js'
import { type ControlCaller, createCaller } from './call.js'
import { type ControlHandler, type ServeOptions, serveControl } from './serve.js'

export interface ControlSocketOptions extends ServeOptions {
  /** @defaultValue 16 */
  readonly maxCallers?: number
}

/** The kernel's `sun_path` holds 108 bytes, the last of them a zero. */
const MAX_PATH_BYTES = 107

export function controlPath(directory: string): string {
  return join(directory, 'control.sock')
}

/**
 * Listens for callers of this user in `directory`: mode 0600, whatever the umask. A socket that a dead node left is replaced.
 *
 * @throws `ERR_CLI_NODE_RUNNING`, `ERR_CLI_USAGE` for a directory whose path is too long for a socket.
 */
export async function openControlSocket(
  directory: string,
  handlers: Readonly<Record<string, ControlHandler>>,
  options: ControlSocketOptions = {},
): Promise<AsyncDisposable> {
  const path = controlPath(directory)
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw cliError('ERR_CLI_USAGE', `${path} is longer than the ${MAX_PATH_BYTES} bytes of a socket's path: choose a shorter --dir`)
  }
  await refuseLiveNode(directory)
  await unlink(path).catch(() => undefined)
  const callers = new Set<Socket>()
  const serving = new Set<Promise<void>>()
  // A caller may say all it has to say and still wait for the answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    callers.add(socket)
    // A caller that breaks off is gone: reading ends, and with it what it had asked for.
    socket.on('error', () => socket.destroy())
    const served = serveControl({ input: socket, output: socket }, handlers, options).finally(() => {
      callers.delete(socket)
      serving.delete(served)
      socket.destroy()
    })
    serving.add(served)
  })
  server.maxConnections = options.maxCallers ?? 16
  // The file is made by the call itself, so the mask holds for it and nothing else.
  const mask = process.umask(0o177)
  server.listen(path)
  process.umask(mask)
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of callers) socket.destroy()
      await Promise.all([closed, ...serving])
    },
  }
}

/** @throws `ERR_CLI_NO_NODE` where nobody listens. */
export async function callNode(directory: string): Promise<ControlCaller> {
  const socket = connect(controlPath(directory))
  try {
    await once(socket, 'connect')
  } catch (cause) {
    throw cliError('ERR_CLI_NO_NODE', `no node runs in ${directory}: start one with dwcp node, or give the --dir of one that runs`, cause)
  }
  return createCaller({ input: socket, output: socket }, `the node in ${directory}`)
}

/** @throws `ERR_CLI_NODE_RUNNING` where a node answers in `directory`. */
export async function refuseLiveNode(directory: string): Promise<void> {
  const socket = connect(controlPath(directory))
  try {
    await once(socket, 'connect')
  } catch {
    return
  } finally {
    socket.destroy()
  }
  throw cliError('ERR_CLI_NODE_RUNNING', `a node runs in ${directory} already: choose another --dir or --node-id, or end that one`)
}
