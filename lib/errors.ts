/**
 * The one error type that edges throw: what happened (`code`), whether trying again can help,
 * and a message that says what to do.
 */
export class AndonError extends Error {
  readonly code: string
  readonly retryable: boolean
  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AndonError'
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** A broken invariant: a fault of Andon, never of its input. Crashes loudly. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AndonError('invariant', `broken invariant: ${message}`)
}
