/**
 * How many requests may be on an endpoint at once, found while serving (C7).
 *
 * A policy hears of every request that reached its first token or was turned away, and says the limit
 * that holds from now on. Samples of requests that were sent before the last change say nothing about
 * the new limit, and a limit that is not used is not raised: nothing would be known about it.
 * One policy per endpoint; the state is the few numbers in `toJSON`.
 */
import { assert, assertNever } from '../../../core/errors.ts';
import { createGradient, type GradientOptions } from './gradient.ts';
import { createLoadWatermark, type LoadWatermarkOptions } from './load-watermark.ts';
import { createTargetLatency, type TargetLatencyOptions } from './target-latency.ts';

export interface ConcurrencySample {
  readonly startedAtMs: number;
  /** From dispatch to the first token; of a dropped request to its refusal. */
  readonly latencyMs: number;
  /** Requests on the endpoint when this one was sent, itself included. */
  readonly inFlight: number;
  /** `dropped`: the engine had no room (429, 503, out of memory). */
  readonly outcome: 'ok' | 'dropped';
  /** How full the engine is, 0 … 1 (KV cache), where it tells. */
  readonly loadRatio?: number | undefined;
}

export interface ConcurrencyPolicy {
  readonly limit: number;
  observe(sample: ConcurrencySample, now: number): void;
  toJSON(): object;
}

/** Bounds of the limit; it starts at `min`. */
export interface LimitRange {
  readonly min: number;
  readonly max: number;
}

export type ConcurrencyOptions =
  | { readonly policy: 'fixed'; readonly max: number }
  | ({ readonly policy: 'target_latency' } & TargetLatencyOptions)
  | ({ readonly policy: 'load_watermark' } & LoadWatermarkOptions)
  | ({ readonly policy: 'gradient' } & GradientOptions);

/** Builds the policy that an endpoint's `concurrency` names. Throws on bounds out of order. */
export function createConcurrencyPolicy(options: ConcurrencyOptions): ConcurrencyPolicy {
  const { max } = options;
  const min = options.policy === 'fixed' ? 1 : options.min;
  assert(min >= 1 && max >= min, `concurrency needs 1 ≤ min ≤ max, found ${min} and ${max}`);
  switch (options.policy) {
    case 'fixed':
      return { limit: max, observe() {}, toJSON: () => ({ limit: max }) };
    case 'target_latency':
      return createTargetLatency(options);
    case 'load_watermark':
      return createLoadWatermark(options);
    case 'gradient':
      return createGradient(options);
    default:
      return assertNever(options);
  }
}
