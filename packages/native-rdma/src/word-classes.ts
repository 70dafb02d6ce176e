import { corrupt } from './errors.js'
import { WORD_BYTES } from './page-format.js'

/** Changed words of page deltas by how many bytes they need: the twin of native/word_classes.h, docs/wire/hde.md § page delta. */

/** Bytes that are sent of a word of each class; the ones above are zero. */
const CLASS_BYTES: readonly number[] = [0, 1, 2, 3, 4, 6, 8]
/** Addresses, mostly: each of their bytes goes into a stream of its own. */
const SPLIT_CLASS = 4
const WIDEST = CLASS_BYTES.length - 1

/** Of the word that begins at `at`. */
export function isFullWord(bytes: Uint8Array, at: number): boolean {
  return classAt(bytes, at) === WIDEST
}

function classAt(bytes: Uint8Array, at: number): number {
  let significant = WORD_BYTES
  while (significant > 0 && bytes[at + significant - 1] === 0) significant -= 1
  return CLASS_BYTES.findIndex((length) => length >= significant)
}

/** The streams of words that stand one after the other: their classes, one byte each, then the words of each class but the first. */
export function splitWords(words: Uint8Array): readonly Uint8Array[] {
  const classes = new Uint8Array(words.length / WORD_BYTES)
  for (const word of classes.keys()) classes[word] = classAt(words, word * WORD_BYTES)
  const streams = [classes]
  for (const [wordClass, length] of CLASS_BYTES.entries()) {
    if (wordClass === 0) continue
    const row = new Uint8Array(countOf(classes, wordClass) * length)
    let end = 0
    for (const [word, found] of classes.entries()) {
      if (found !== wordClass) continue
      row.set(words.subarray(word * WORD_BYTES, word * WORD_BYTES + length), end)
      end += length
    }
    if (wordClass === SPLIT_CLASS) for (let byte = 0; byte < length; byte += 1) streams.push(row.filter((_, at) => at % length === byte))
    else streams.push(row)
  }
  return streams
}

/** The inverse. @param stream - Gives the next stream, of exactly so many bytes. */
export async function joinWords(count: number, stream: (lengthBytes: number) => Promise<Uint8Array>): Promise<Uint8Array> {
  const classes = await stream(count)
  if (classes.some((wordClass) => wordClass > WIDEST)) throw corrupt('a page delta', 'a word is of no known class')
  const words = new Uint8Array(count * WORD_BYTES)
  for (const [wordClass, length] of CLASS_BYTES.entries()) {
    if (wordClass === 0) continue
    const found = countOf(classes, wordClass)
    const columns = wordClass === SPLIT_CLASS ? length : 1
    for (let column = 0; column < columns; column += 1) {
      spread(await stream((found * length) / columns), words, classes, wordClass, column)
    }
  }
  return words
}

/** Writes what one stream holds of the words of a class, from their byte `first` on. */
function spread(row: Uint8Array, words: Uint8Array, classes: Uint8Array, wordClass: number, first: number): void {
  const length = wordClass === SPLIT_CLASS ? 1 : (CLASS_BYTES[wordClass] ?? 0)
  let next = 0
  for (let word = 0; word < classes.length; word += 1) {
    if (classes[word] !== wordClass) continue
    const at = word * WORD_BYTES + first
    for (let byte = 0; byte < length; byte += 1) words[at + byte] = row[next + byte] ?? 0
    next += length
  }
}

function countOf(classes: Uint8Array, wanted: number): number {
  let count = 0
  for (let at = 0; at < classes.length; at += 1) if (classes[at] === wanted) count += 1
  return count
}
