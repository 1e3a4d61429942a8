/**
 * Exponential backoff with full jitter: a random time up to a bound that doubles with each failure
 * and is capped, so that those who failed together do not come back together. (M. Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog 2015.)
 */
import type { Random } from '../../core/random.ts';

export interface BackoffOptions {
  /** Bound after the first failure, ms. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Wait after the `failures`-th failure in a row (1, 2, …), ms. */
export function backoffMs(failures: number, options: BackoffOptions, random: Random): number {
  // Beyond 2³⁰ the bound is the cap for any sane base; the exponent must not overflow before.
  const doublings = Math.min(Math.max(0, failures - 1), 30);
  const boundMs = Math.min(options.maxMs, options.baseMs * 2 ** doublings);
  return Math.round(boundMs * random.next());
}
