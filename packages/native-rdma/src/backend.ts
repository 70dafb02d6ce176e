/**
 * Who does the work of a capability, and why.
 * @public
 */
export interface Backend {
  readonly kind: 'native' | 'js'
  /** For example `libzstd.so.1 1.5.4`, or what keeps the native one away. */
  readonly reason: string
}
