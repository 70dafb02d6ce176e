/**
 * Refuses what a native job cannot borrow: what is no bytes, and an array of a resizable buffer, whose memory can be taken away while
 * another thread reads it.
 */
export function requireLent(name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`)
  const { buffer } = value
  if (buffer instanceof ArrayBuffer && 'resizable' in buffer && buffer.resizable === true) {
    throw new TypeError(`${name} lies in a resizable ArrayBuffer, which may shrink while it is read: pass a copy`)
  }
}
