/**
 * What a decoder of documents accepts, and an encoder makes.
 *
 * @public
 */
export interface DocumentLimits {
  /** Documents of a batch. */
  readonly documents: number
  /** Members and elements of all of them together that are not as in a former version, and the numbers inside their texts. */
  readonly nodes: number
  /** Bytes of all their texts and binaries together, at most. */
  readonly documentBytes: number
}

/**
 * A frame of a few bytes can ask for all of them: then about 0.1 s and 30 MB. A batch of 64 documents of 50 members takes a twentieth.
 *
 * @public
 */
export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = { documents: 65_536, nodes: 65_536, documentBytes: 64 << 20 }
