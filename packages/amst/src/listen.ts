import { Listener, type ListenHooks } from './listener.js'
import type { ListenOptions, Server } from './server.js'

/**
 * Listens on one port for sessions and all their streams.
 *
 * @throws `ERR_AMST_PLAINTEXT_REFUSED`, `ERR_AMST_IDENTITY`; the system's error where the port cannot be had.
 */
export function listen(options: ListenOptions): Promise<Server> {
  return openListener(options, {})
}

export async function openListener(options: ListenOptions, hooks: ListenHooks): Promise<Listener> {
  const listener = await Listener.create(options, hooks)
  await listener.start()
  return listener
}
