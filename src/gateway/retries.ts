/**
 * Whether a failed attempt is followed by another, and the error where it is not.
 *
 * The policy decides; pacing is the endpoint's own rest (`endpoint.ts`), so that a request may go to
 * another endpoint at once. What the last endpoint said is what the caller hears, with everything
 * that was tried.
 */
import { type AttemptSummary, UnbusyError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { createRetryPolicy } from '../policy/resilience/retry.ts';
import type { Clock, UpstreamError } from '../protocol/ports.ts';

export interface Retries {
  /** A new request pays its part into the budget. */
  observeRequest(): void;
  /** @throws UnbusyError the failure and the attempts made, where another one may not be made. */
  requireAnother(failed: FailedRequest): void;
}

export interface FailedRequest {
  readonly failure: UpstreamError;
  readonly attempts: readonly AttemptSummary[];
  /** First token wanted by then. */
  readonly deadlineAtMs: number;
  /** Some endpoint is left that may do better. */
  readonly elsewhere: boolean;
}

export function createRetries(budgetRatio: number, clock: Clock, random: Random): Retries {
  const policy = createRetryPolicy({ budgetRatio });
  return {
    observeRequest: () => policy.observeRequest(),
    requireAnother({ failure, attempts, deadlineAtMs, elsewhere }) {
      const { stage, callerFault, error } = failure;
      const decision = policy.decide(
        {
          stage,
          callerFault,
          failures: attempts.length,
          retryAfterMs: error.details.retryAfterMs,
          deadlineLeftMs: deadlineAtMs - clock.now(),
        },
        random,
      );
      if (decision.kind === 'retry' && elsewhere) return;
      if (callerFault) throw error;
      throw withAttempts(error, attempts);
    },
  };
}

/**
 * What to tell a request that waited for another attempt in vain (`thrown`): why the last one failed
 * says more than that the deadline has passed.
 */
export function whyNotPlaced(
  thrown: unknown,
  failure: UpstreamError | undefined,
  attempts: readonly AttemptSummary[],
): unknown {
  const expired = thrown instanceof UnbusyError && thrown.kind === 'expired';
  return expired && failure !== undefined ? withAttempts(failure.error, attempts) : thrown;
}

function withAttempts(error: UnbusyError, attempts: readonly AttemptSummary[]): UnbusyError {
  return new UnbusyError(error.kind, error.code, error.message, { ...error.details, attempts });
}
