import { amstError } from '../errors.js'

const LENGTH_BYTES = 2
const RECORD_BYTES_MAX = 0xffff

/** A record behind its length, as manifests and answers are made of. */
export function framed(record: Uint8Array): Buffer {
  if (record.byteLength > RECORD_BYTES_MAX) throw new RangeError(`a record of ${record.byteLength} bytes is past ${RECORD_BYTES_MAX}`)
  const whole = Buffer.allocUnsafe(LENGTH_BYTES + record.byteLength)
  whole.writeUInt16BE(record.byteLength)
  whole.set(record, LENGTH_BYTES)
  return whole
}

/** The records of a stream, together those that came together. At most one of them is held over. */
export async function* recordsIn(stream: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Buffer[], void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = rest.byteLength === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([rest, chunk])
    const records: Buffer[] = []
    let offset = 0
    while (offset + LENGTH_BYTES <= bytes.byteLength) {
      const end = offset + LENGTH_BYTES + bytes.readUInt16BE(offset)
      if (end > bytes.byteLength) break
      records.push(bytes.subarray(offset + LENGTH_BYTES, end))
      offset = end
    }
    rest = bytes.subarray(offset)
    if (records.length > 0) yield records
  }
  if (rest.byteLength > 0) throw amstError('ERR_AMST_PROTOCOL', 'the stream ended within a record')
}
