/**
 * What a decoder of documents accepts.
 *
 * @public
 */
export interface DocumentLimits {
  /** Documents of a batch. */
  readonly documents: number
  /** Members and elements of all of them together, and the numbers inside their texts. */
  readonly nodes: number
  /** Bytes of all their texts and binaries together, at most. */
  readonly documentBytes: number
}

/**
 * About 100 MB of memory and a second for the worst that stays within them; a batch of 64 documents takes a hundredth.
 *
 * @public
 */
export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = { documents: 65_536, nodes: 1 << 20, documentBytes: 64 << 20 }
