/**
 * Whether a request may wait at all: decided on arrival, before any byte is sent (D3).
 *
 * A caller is refused only when its wait would break its deadline or its class's limit, or when the
 * queue has no place left; then it is told at once, with the true time. Pure.
 */
import type { Random } from '../../core/random.ts';

export interface Arrival {
  readonly predictedWaitMs: number;
  /** Time left until the caller's deadline, ms. */
  readonly deadlineMs: number;
  /** `queue.max_wait_ms` of the request's class. */
  readonly classMaxWaitMs: number;
  readonly queueFull: boolean;
}

export type ArrivalDecision =
  | { readonly kind: 'admit' }
  | {
      readonly kind: 'refuse';
      readonly reason: 'overloaded';
      /** Which limit the wait breaks; a full queue first. */
      readonly because: 'queue_full' | 'deadline' | 'class_limit';
      /** The predicted wait, for people. */
      readonly waitMs: number;
      /** True time until it is worth coming back, uncapped. */
      readonly retryAfterMs: number;
    };

/** A full queue moves on within this long even where the prediction says 0. */
const retryAfterMinMs = 1_000;

/** Admits, or refuses with the time. */
export function decideOnArrival(arrival: Arrival): ArrivalDecision {
  const { predictedWaitMs, deadlineMs, classMaxWaitMs, queueFull } = arrival;
  if (!queueFull && predictedWaitMs <= Math.min(deadlineMs, classMaxWaitMs)) {
    return { kind: 'admit' };
  }
  const limit = deadlineMs <= classMaxWaitMs ? 'deadline' : 'class_limit';
  return {
    kind: 'refuse',
    reason: 'overloaded',
    because: queueFull ? 'queue_full' : limit,
    waitMs: predictedWaitMs,
    retryAfterMs: Math.max(predictedWaitMs, retryAfterMinMs),
  };
}

/** SDKs ignore a `retry-after` over 60 s and come back at once (openai-node, `retryRequest`). */
const retryAfterMaxMs = 60_000;
/** Callers refused together should not come back together. */
const spreadRatio = 0.2;

export interface RetryAfterWire {
  /** Value of `retry-after-ms`. */
  readonly retryAfterMs: number;
  /** Value of `retry-after`, whole seconds rounded up. */
  readonly retryAfterSeconds: number;
}

/**
 * The wait as the retry headers may say it: capped, then spread by +0–20 %. The cap is 50 s before
 * the spread, so that the spread never reaches beyond the 60 s that SDKs obey.
 */
export function retryAfterWire(waitMs: number, random: Random): RetryAfterWire {
  const capped = Math.min(Math.max(0, waitMs), retryAfterMaxMs / (1 + spreadRatio));
  const retryAfterMs = Math.ceil(capped * (1 + spreadRatio * random.next()));
  return { retryAfterMs, retryAfterSeconds: Math.ceil(retryAfterMs / 1_000) };
}
