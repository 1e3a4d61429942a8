/**
 * May a failed attempt be repeated?
 *
 * Not placed is not failed: a request that no engine had begun goes back to its queue as often as its
 * deadline allows and costs nothing. Work that an engine had begun may be repeated only within a
 * budget, so that retries cannot multiply an overload: each request pays in `budgetRatio` of a retry,
 * each repeated attempt takes one out. (Retry budgets: Finagle's `RetryBudget`; Google SRE Book,
 * "Handling Overload".) Once part of an answer has come it is never repeated from the start.
 */

import { assertNever } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { FailureStage } from '../../protocol/ports.ts';
import { type BackoffOptions, backoffMs } from './backoff.ts';

export interface RetryOptions {
  /** Repeated attempts per request that the budget allows in the long run (`retry.budget_ratio`). */
  readonly budgetRatio?: number;
  /** Repeats that may be made at once: an engine that dies takes everything on it along. */
  readonly reserve?: number;
  readonly backoff?: BackoffOptions;
  /** A copy's budget. */
  readonly state?: RetryBudgetState;
}

export interface RetryBudgetState {
  readonly balance: number;
}

export interface FailedAttempt {
  readonly stage: FailureStage;
  readonly callerFault: boolean;
  /** Failed attempts of this request so far, this one included. */
  readonly failures: number;
  /** How long the endpoint asked to be left alone, where it did. */
  readonly retryAfterMs?: number | undefined;
  /** Until the caller's deadline to first token, ms. */
  readonly deadlineLeftMs: number;
}

export type RetryDecision =
  | {
      readonly kind: 'retry';
      /** `requeue`: back to the head of its queue, free of charge. `repeat`: paid by the budget. */
      readonly how: 'requeue' | 'repeat';
      /** Not before this long from now; a requeued request may go to another endpoint at once. */
      readonly delayMs: number;
    }
  | {
      readonly kind: 'stop';
      readonly why: 'caller_fault' | 'deadline' | 'budget' | 'answer_begun';
    };

export interface RetryPolicy {
  /** A new request has come: pays its part in. */
  observeRequest(): void;
  /** Decides, and takes from the budget what it grants. */
  decide(attempt: FailedAttempt, random: Random): RetryDecision;
  toJSON(): RetryBudgetState;
}

const budgetRatioDefault = 0.2;
/** As many as a busy engine runs at once. */
const reserveDefault = 128;
const backoffDefault: BackoffOptions = { baseMs: 50, maxMs: 5_000 };

export function createRetryPolicy(options: RetryOptions = {}): RetryPolicy {
  const ratio = options.budgetRatio ?? budgetRatioDefault;
  const reserve = options.reserve ?? reserveDefault;
  const backoff = options.backoff ?? backoffDefault;
  let balance = options.state?.balance ?? reserve;

  return {
    observeRequest() {
      balance = Math.min(reserve, balance + ratio);
    },
    decide(attempt, random) {
      if (attempt.callerFault) return { kind: 'stop', why: 'caller_fault' };
      const delayMs = attempt.retryAfterMs ?? backoffMs(attempt.failures, backoff, random);
      switch (attempt.stage) {
        case 'not_placed':
          // Another endpoint may be free now: only a deadline that is over ends it.
          if (attempt.deadlineLeftMs <= 0) return { kind: 'stop', why: 'deadline' };
          return { kind: 'retry', how: 'requeue', delayMs };
        case 'started':
          if (attempt.deadlineLeftMs <= delayMs) return { kind: 'stop', why: 'deadline' };
          if (balance < 1) return { kind: 'stop', why: 'budget' };
          balance -= 1;
          return { kind: 'retry', how: 'repeat', delayMs };
        case 'streaming':
          return { kind: 'stop', why: 'answer_begun' };
        default:
          return assertNever(attempt.stage);
      }
    },
    toJSON: () => ({ balance }),
  };
}
