/**
 * `load_watermark`: more while the engine is nearly empty, less when it is nearly full (C4).
 *
 * The load is what the engine tells of its KV cache. Under 0.3 the limit grows by half, over 0.8 it
 * shrinks to 0.7; a refused request shrinks it too. After a change the load needs time to follow, so
 * there is at most one change per `settleMs`. The article's version had no upper bound and jumped
 * to 32 from anywhere; this one has both bounds and moves step by step.
 */
import type { ConcurrencyPolicy, LimitRange } from './concurrency-policy.ts';
import { createSteppedLimit } from './limit-step.ts';

export interface LoadWatermarkOptions extends LimitRange {
  readonly lowRatio?: number;
  readonly highRatio?: number;
  /** Least time between two changes, ms. */
  readonly settleMs?: number;
}

const lowRatioDefault = 0.3;
const highRatioDefault = 0.8;
/** A few engine reports and the prefill of what was let in. */
const settleMsDefault = 2_000;
/** A limit is used when this part of it was in flight. */
const usedRatio = 0.8;
const growth = 1.5;
const shrinkage = 0.7;

export function createLoadWatermark(options: LoadWatermarkOptions): ConcurrencyPolicy {
  const lowRatio = options.lowRatio ?? lowRatioDefault;
  const highRatio = options.highRatio ?? highRatioDefault;
  const settleMs = options.settleMs ?? settleMsDefault;
  const limit = createSteppedLimit(options);
  return {
    get limit() {
      return limit.value;
    },
    observe({ startedAtMs, inFlight, outcome, loadRatio }, now) {
      if (outcome === 'dropped') return limit.refused(startedAtMs, now);
      const settled = startedAtMs >= limit.changedAtMs && now >= limit.changedAtMs + settleMs;
      if (loadRatio === undefined || !settled) return;
      const used = inFlight >= limit.value * usedRatio;
      if (loadRatio > highRatio) limit.shrink(shrinkage, now);
      else if (loadRatio < lowRatio && used) limit.grow(growth, now);
    },
    toJSON: () => ({ limit: limit.value }),
  };
}
