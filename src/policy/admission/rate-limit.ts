/**
 * Token buckets for requests per second and tokens per minute (D1), as GCRA.
 *
 * A bucket is one number: the theoretical arrival time, at which it would be full again. A request
 * moves it on by its cost × the time that one unit takes to come back, and is allowed if it then lies
 * no further ahead than the bucket's size; else the difference is exactly how long to wait.
 * (Generic Cell Rate Algorithm, ITU-T I.371.) Tokens are reserved by estimate and settled by the
 * truth. Both buckets are asked before either is charged.
 *
 * State: two numbers per key, for at most `keysMax` keys; a full bucket needs no state.
 */

export interface RateLimits {
  /** Requests per second; absent: any. */
  readonly rps?: number | undefined;
  /** Requests that may come at once; default: one second's worth. */
  readonly burst?: number | undefined;
  /** Tokens per minute, one minute's worth at once; absent: any. */
  readonly tpm?: number | undefined;
}

export type RateDecision =
  | { readonly kind: 'allow' }
  /** Asking again after `waitMs` succeeds, if nobody else of the key does before. */
  | { readonly kind: 'wait'; readonly waitMs: number; readonly limit: 'requests' | 'tokens' };

/** What `x-ratelimit-*` says about one bucket. */
export interface BucketStatus {
  readonly limit: number;
  readonly remaining: number;
  /** Until it is full again, ms. */
  readonly resetMs: number;
}

export interface RateStatus {
  readonly requests?: BucketStatus | undefined;
  readonly tokens?: BucketStatus | undefined;
}

/** A request to be paid for. */
export interface RateClaim {
  /** Whose bucket: a key, a tenant, a tenant's model. */
  readonly key: string;
  readonly limits: RateLimits;
  readonly now: number;
}

export interface RateLimiter {
  /** Takes one request and `tokens` (an estimate) from the key's buckets, or nothing. */
  reserve(claim: RateClaim, tokens: number): RateDecision;
  /** Corrects a reservation: positive where more tokens were used than reserved. */
  settle(claim: RateClaim, deltaTokens: number): void;
  status(claim: RateClaim): RateStatus;
  toJSON(): RateLimiterState;
}

/** By key: theoretical arrival times of the request and the token bucket, ms. */
export type RateLimiterState = Readonly<Record<string, readonly [number, number]>>;

export interface RateLimiterOptions {
  readonly keysMax?: number;
  readonly state?: RateLimiterState;
}

interface Bucket {
  /** Time in which one unit comes back, ms. */
  readonly unitMs: number;
  readonly size: number;
}

type Times = [requestsAtMs: number, tokensAtMs: number];

const keysMaxDefault = 100_000;
/** Far below any interval, above what a double loses at the size of the epoch in ms (2⁻¹² ms). */
const roundingMs = 1e-3;

export function createRateLimiter(options: RateLimiterOptions = {}): RateLimiter {
  const keysMax = options.keysMax ?? keysMaxDefault;
  const times = new Map<string, Times>(
    Object.entries(options.state ?? {}).map(([key, [requests, tokens]]) => [
      key,
      [requests, tokens],
    ]),
  );

  function timesOf({ key, now }: RateClaim): Times {
    const known = times.get(key);
    if (known !== undefined) return known;
    if (times.size >= keysMax) makeRoom(times, now);
    const fresh: Times = [now, now];
    times.set(key, fresh);
    return fresh;
  }

  return {
    reserve(claim, tokens) {
      const { now } = claim;
      const own = timesOf(claim);
      const [byRequests, byTokens] = buckets(claim.limits);
      const requestsWaitMs = waitFor(byRequests, own[0], 1, now);
      const tokensWaitMs = waitFor(byTokens, own[1], tokens, now);
      const waitMs = Math.max(requestsWaitMs, tokensWaitMs);
      if (waitMs > 0) {
        return { kind: 'wait', waitMs, limit: requestsWaitMs === waitMs ? 'requests' : 'tokens' };
      }
      if (byRequests !== undefined) own[0] = Math.max(own[0], now) + byRequests.unitMs;
      if (byTokens !== undefined) own[1] = Math.max(own[1], now) + tokens * byTokens.unitMs;
      return { kind: 'allow' };
    },
    settle(claim, deltaTokens) {
      const byTokens = buckets(claim.limits)[1];
      if (byTokens === undefined) return;
      const own = timesOf(claim);
      own[1] = Math.max(own[1], claim.now) + deltaTokens * byTokens.unitMs;
    },
    status(claim) {
      const own = times.get(claim.key) ?? [claim.now, claim.now];
      const [byRequests, byTokens] = buckets(claim.limits);
      return {
        requests: statusOf(byRequests, own[0], claim.now),
        tokens: statusOf(byTokens, own[1], claim.now),
      };
    },
    toJSON: () => Object.fromEntries([...times].map(([key, [a, b]]) => [key, [a, b] as const])),
  };
}

function buckets(limits: RateLimits): [Bucket | undefined, Bucket | undefined] {
  const { rps, burst, tpm } = limits;
  return [
    rps === undefined
      ? undefined
      : { unitMs: 1_000 / rps, size: burst ?? Math.max(1, Math.ceil(rps)) },
    tpm === undefined ? undefined : { unitMs: 60_000 / tpm, size: tpm },
  ];
}

/** 0: may go now. What is larger than the bucket goes when it is full, and leaves it in debt. */
function waitFor(bucket: Bucket | undefined, atMs: number, cost: number, now: number): number {
  if (bucket === undefined) return 0;
  const asked = Math.min(cost, bucket.size);
  const waitMs = Math.max(atMs, now) - now - (bucket.size - asked) * bucket.unitMs;
  return waitMs > roundingMs ? waitMs : 0;
}

function statusOf(bucket: Bucket | undefined, atMs: number, now: number): BucketStatus | undefined {
  if (bucket === undefined) return undefined;
  const resetMs = Math.max(0, atMs - now);
  const remaining = Math.floor(bucket.size - (resetMs - roundingMs) / bucket.unitMs);
  const limit = bucket.size;
  return { limit, remaining: Math.min(limit, Math.max(0, remaining)), resetMs };
}

/** Drops full buckets, or if none is full the one that was created first. */
function makeRoom(times: Map<string, Times>, now: number): void {
  const before = times.size;
  for (const [key, [requests, tokens]] of times) {
    if (requests <= now && tokens <= now) times.delete(key);
  }
  const [oldest] = times.keys();
  if (times.size === before && oldest !== undefined) times.delete(oldest);
}
