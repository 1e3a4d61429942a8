/**
 * `target_latency`: as much as the engine takes while the first token still comes in time (C3).
 *
 * The mean of a whole window of samples decides: under 0.9 of the target the limit grows, over 1.1
 * it shrinks, and in between it stays. A step is as large as the miss, up to the article's × 1.5 and
 * × 0.7, so that it settles instead of swinging. The article's code produced fractional batches and
 * judged windows that overlapped; here limits are whole and a window holds only requests sent under
 * the present limit, at least one for each place.
 */
import type { ConcurrencyPolicy, LimitRange } from './concurrency-policy.ts';
import { createSteppedLimit } from './limit-step.ts';

export interface TargetLatencyOptions extends LimitRange {
  /** Wanted time to first token after dispatch, ms. */
  readonly targetMs: number;
  /** Least samples to a decision. */
  readonly window?: number;
}

const windowDefault = 10;
const lowRatio = 0.9;
const highRatio = 1.1;
/** A limit is used when this part of it was in flight. */
const usedRatio = 0.8;

export function createTargetLatency(options: TargetLatencyOptions): ConcurrencyPolicy {
  const limit = createSteppedLimit(options);
  let window = emptyWindow;

  function decide({ count, sumMs, inFlightMax }: Window, now: number): void {
    const ratio = sumMs / count / options.targetMs;
    const used = inFlightMax >= limit.value * usedRatio;
    if (ratio > highRatio) limit.shrink(1 / ratio, now);
    else if (ratio < lowRatio && used) limit.grow(1 / ratio, now);
  }

  return {
    get limit() {
      return limit.value;
    },
    observe(sample, now) {
      if (sample.outcome === 'dropped') {
        limit.refused(sample.startedAtMs, now);
        window = emptyWindow;
        return;
      }
      if (sample.startedAtMs < limit.changedAtMs) return;
      window = {
        count: window.count + 1,
        sumMs: window.sumMs + sample.latencyMs,
        inFlightMax: Math.max(window.inFlightMax, sample.inFlight),
      };
      if (window.count < Math.max(options.window ?? windowDefault, limit.value)) return;
      decide(window, now);
      window = emptyWindow;
    },
    toJSON: () => ({ limit: limit.value, window }),
  };
}

interface Window {
  readonly count: number;
  readonly sumMs: number;
  readonly inFlightMax: number;
}

const emptyWindow: Window = { count: 0, sumMs: 0, inFlightMax: 0 };
