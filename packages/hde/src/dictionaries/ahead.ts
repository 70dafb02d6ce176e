import type { Digest } from '@dwcp/interface'
import { framed } from '../delta/format.js'
import type { FrameReader } from '../delta/frame-reader.js'
import { packObject, unpackObject } from './object-frame.js'
import type { DictionaryStore } from './store.js'

/** Of docs/wire/dictionaries.md. */
export const DICTIONARY_MAGIC: Uint8Array = new TextEncoder().encode('DWCPdict')

/** A kind's dictionary as it is now, for the whole of an object: training may bring another meanwhile. */
export interface Pinned extends Pick<DictionaryStore, 'current' | 'get' | 'sample'> {
  readonly digest: Digest | undefined
}

export function pinned(store: DictionaryStore, kind: string): Pinned {
  const digest = store.current(kind)
  const bytes = digest === undefined ? undefined : store.get(digest)
  return {
    digest: bytes && digest,
    current: () => bytes && digest,
    get: () => bytes,
    sample: (name, form, make) => store.sample(name, form, make),
  }
}

/** What one decoder was sent of each kind: the latest, which objects of the kind are encoded with. */
export class SentDictionaries {
  readonly #sent = new Map<string, Digest>()

  /** The dictionary where the decoder was not sent it; it counts as sent once more is asked for. */
  async *before(kind: string, dictionary: Pinned): AsyncGenerator<Uint8Array, void, undefined> {
    const { digest } = dictionary
    const bytes = digest === undefined ? undefined : dictionary.get(digest)
    if (digest === undefined || bytes === undefined || this.#sent.get(kind) === digest) return
    yield new Uint8Array(Buffer.concat([DICTIONARY_MAGIC, framed(new Uint8Array(), [await packObject(bytes, undefined)])]))
    this.#sent.set(kind, digest)
  }

  forget(digest: Digest): void {
    for (const [kind, sent] of this.#sent) if (sent.startsWith(digest)) this.#sent.delete(kind)
  }
}

/** Adds the dictionary that comes ahead of an object to those that are here. */
export async function takeDictionary(reader: FrameReader, store: DictionaryStore, mostBytes: number): Promise<void> {
  await reader.magic(DICTIONARY_MAGIC)
  store.add(await unpackObject(await reader.frame(), () => undefined, mostBytes))
}
