/** Things per second over the last seconds, in constant memory. */

const bucketMs = 1_000;
const buckets = 5;

export interface RateMeter {
  add(count: number, nowMs: number): void;
  /** Mean over the last five seconds. */
  perSecond(nowMs: number): number;
}

/** A ring of one-second counters. */
export function createRateMeter(): RateMeter {
  const counts = new Float64Array(buckets);
  let latest = Number.NEGATIVE_INFINITY;
  const advance = (nowMs: number): number => {
    const bucket = Math.floor(nowMs / bucketMs);
    if (bucket - latest >= buckets) counts.fill(0);
    else for (let at = latest + 1; at <= bucket; at++) counts[at % buckets] = 0;
    latest = Math.max(latest, bucket);
    return bucket % buckets;
  };
  return {
    add(count, nowMs) {
      const at = advance(nowMs);
      counts[at] = (counts[at] ?? 0) + count;
    },
    perSecond(nowMs) {
      advance(nowMs);
      return counts.reduce((sum, count) => sum + count, 0) / ((buckets * bucketMs) / 1_000);
    },
  };
}
