/**
 * The one error taxonomy.
 *
 * An `ErrorKind` says what happened in terms that the whole program shares; a stable `code` from
 * `error-catalogue.ts` says it precisely for people and programs outside. Edges throw `UnbusyError`;
 * policies return decisions instead. Each protocol maps kinds to its own wire form exactly once.
 */

export type ErrorKind =
  | 'invalid_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'too_large'
  | 'rate_limited'
  | 'overloaded'
  | 'expired'
  | 'cancelled'
  | 'upstream_unavailable'
  | 'upstream_failed'
  | 'draining'
  | 'internal';

export interface ErrorDetails {
  /** The request field at fault, as the caller wrote it: `messages[0].content`. */
  readonly param?: string | undefined;
  /** True time until it is worth coming back, in ms. Not capped: the wire form caps what it must. */
  readonly retryAfterMs?: number | undefined;
  /** `false` where repeating the same request can never help (`x-should-retry: false`). */
  readonly retryable?: boolean | undefined;
  /** What was tried before giving up, oldest first. Never contains prompts or keys. */
  readonly attempts?: readonly AttemptSummary[] | undefined;
  /** Further safe facts for the body: token counts, limits. */
  readonly facts?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly cause?: unknown;
}

/** One attempt on one endpoint, as told to a caller whose request failed. */
export interface AttemptSummary {
  readonly endpoint: string;
  readonly result: string;
  readonly durationMs: number;
}

export class UnbusyError extends Error {
  override readonly name = 'UnbusyError';
  readonly kind: ErrorKind;
  /** Stable snake_case code, documented in `error-catalogue.ts`. */
  readonly code: string;
  readonly details: ErrorDetails;

  constructor(kind: ErrorKind, code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.code = code;
    this.details = details;
  }
}

/** Any thrown value as an `UnbusyError`; what is not one already becomes `internal`. */
export function toUnbusyError(thrown: unknown): UnbusyError {
  if (thrown instanceof UnbusyError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new UnbusyError('internal', 'internal', `internal error: ${message}`, { cause: thrown });
}

/** Thrown where a broken invariant would otherwise go on silently. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Ends a `switch` over a closed union; the type error names the case that was forgotten. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
