/**
 * `gradient`: grows until latency rises, without being told how much is too much (C7).
 *
 * Window by window the mean latency is compared with its long mean: limit × clamp(tolerance × long ÷
 * now, ½ … 1) plus a little room to grow into, smoothed. While latency is flat the room makes the
 * limit climb; when requests begin to queue inside the engine the ratio takes it back. The long mean
 * is slow, but a load that never eases teaches it in the end: where a target is known,
 * `target_latency` is the better choice. (Netflix concurrency-limits: `Gradient2Limit` inside a
 * `WindowedLimit`, with its constants.)
 */
import type { ConcurrencyPolicy, LimitRange } from './concurrency-policy.ts';

export interface GradientOptions extends LimitRange {
  /** How far latency may rise over its long mean before the limit falls. */
  readonly tolerance?: number;
}

const toleranceDefault = 1.5;
/** Least samples to a window; else one for each place. */
const windowMin = 10;
/** Part of a new estimate in the next limit. */
const smoothing = 0.2;
/** Windows in the long mean; the first ones count plainly. */
const longWindow = 600;
const warmupWindows = 10;
/** Requests that may queue in the engine: what lets the limit climb. */
const queueSize = 4;
const gradientMin = 0.5;
/** After a long overload the long mean comes down faster than its window. */
const recovery = 0.95;
/** A refusal is strong evidence: 30 % less. */
const refusedRatio = 0.7;

export function createGradient(options: GradientOptions): ConcurrencyPolicy {
  const tolerance = options.tolerance ?? toleranceDefault;
  let limit: number = options.min;
  let long = { meanMs: 0, windows: 0 };
  let window = { count: 0, sumMs: 0, inFlightMax: 0 };
  let refusedAtMs = Number.NEGATIVE_INFINITY;

  function clearWindow(): void {
    window = { count: 0, sumMs: 0, inFlightMax: 0 };
  }

  function setLimit(next: number): void {
    limit = Math.max(options.min, Math.min(options.max, next));
  }

  function decide(): void {
    const meanMs = Math.max(window.sumMs / window.count, 1);
    long = nextLong(long, meanMs);
    if (window.inFlightMax < limit / 2) return;
    const gradient = Math.max(gradientMin, Math.min(1, (tolerance * long.meanMs) / meanMs));
    setLimit(limit * (1 - smoothing) + (limit * gradient + queueSize) * smoothing);
  }

  return {
    get limit() {
      return Math.round(limit);
    },
    observe(sample, now) {
      if (sample.startedAtMs < refusedAtMs) return;
      if (sample.outcome === 'dropped') {
        refusedAtMs = now;
        clearWindow();
        return setLimit(limit * refusedRatio);
      }
      window.count += 1;
      window.sumMs += sample.latencyMs;
      window.inFlightMax = Math.max(window.inFlightMax, sample.inFlight);
      if (window.count < Math.max(windowMin, limit)) return;
      decide();
      clearWindow();
    },
    toJSON: () => ({ limit, long }),
  };
}

interface LongMean {
  readonly meanMs: number;
  readonly windows: number;
}

function nextLong(long: LongMean, meanMs: number): LongMean {
  const windows = long.windows + 1;
  const weight = windows <= warmupWindows ? 1 / windows : 2 / (longWindow + 1);
  const next = long.meanMs + (meanMs - long.meanMs) * weight;
  return { windows, meanMs: next > 2 * meanMs ? next * recovery : next };
}
