import type { Socket } from 'node:net'

/**
 * Closes a connection at once, so that the other end takes it for no orderly end. After our own end it can no longer be reset (libuv
 * refuses that, and Node would then lose the handle): there closing has to do, which resets where bytes were left unread.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
