/**
 * How long a newcomer will wait: the number behind refusals, ETAs and `retry-after` (D3).
 *
 * With c slots busy and a mean service time S, a place comes free every S ÷ c; a newcomer with k
 * requests to wait for gets the k-th. S is first token + tokens × time per token, each measured on
 * its own: answers take minutes, and the speed of a stream is known long before the first of them
 * ends. Where no tokens are seen S is the mean of whole durations. When the next place comes free
 * depends on how regular the durations are: for equal ones it is the remaining time of the oldest,
 * for memoryless ones S ÷ c, and the measured variation mixes the two.
 *
 * Estimates start from a prior, and requests that already take longer than the mean count as they
 * are, so that a slow start is noticed before anything completes. The owner feeds every start, token
 * and end; nothing else is kept than the running requests and some decaying sums.
 */
import type { Ahead } from './queue-order.ts';
import { createRunningMean, type RunningMean } from './running-mean.ts';

export interface WaitPredictorOptions {
  /** Service time assumed before anything is measured, ms. */
  readonly priorServiceMs?: number;
}

export interface WaitQuery {
  /** What will be served before the newcomer (`FairQueue.aheadOf`). */
  readonly ahead: Ahead;
  /** Requests that may run at once, over all endpoints that can take it; 0: none is up. */
  readonly concurrencyMax: number;
}

export interface WaitPredictor {
  /** A request was placed; `costTokens` is what the queue was told, `expectedTokens` its answer. */
  observeStart(id: string, size: RequestSize, now: number): void;
  /** `count` tokens of its answer came. */
  observeToken(id: string, count: number, now: number): void;
  /** It is complete: its duration counts. */
  observeEnd(id: string, now: number): void;
  /** It ended early (failed, cancelled): its place is free, its duration says nothing. */
  forget(id: string, now: number): void;
  /** Predicted wait, ms. 0 where a slot is free; Infinity where there is none at all. */
  predictWaitMs(query: WaitQuery, now: number): number;
  /** Mean service time as estimated now, ms. */
  serviceMs(now: number): number;
  toJSON(): object;
}

export interface RequestSize {
  readonly costTokens: number;
  readonly expectedTokens: number;
}

interface Running extends RequestSize {
  readonly startMs: number;
  firstTokenAtMs: number | undefined;
  tokens: number;
}

/** A short chat answer of a large model; replaced by the first few measurements. */
const priorServiceMsDefault = 10_000;
/** Time constant of the measured speed: a change of load shows within seconds. */
const speedTauMs = 10_000;
/** What is ahead may be judged at most this much larger or smaller than the usual request. */
const sizeRatioMax = 4;

export function createWaitPredictor(options: WaitPredictorOptions = {}): WaitPredictor {
  const running = new Map<string, Running>();
  const priorMs = options.priorServiceMs ?? priorServiceMsDefault;
  const means = {
    durationMs: createRunningMean(priorMs),
    firstTokenMs: createRunningMean(),
    tokens: createRunningMean(),
    costTokens: createRunningMean(),
  };
  const speed = createStreamSpeed();
  /** Requests in `running` that generate. */
  let decoding = 0;

  function leave(id: string, now: number): Running | undefined {
    const request = running.get(id);
    if (request === undefined) return undefined;
    speed.pass(decoding, now);
    running.delete(id);
    if (request.firstTokenAtMs !== undefined) decoding -= 1;
    return request;
  }

  function serviceMs(now: number): number {
    speed.pass(decoding, now);
    const all = [...running.values()];
    const msPerToken = speed.msPerToken();
    if (msPerToken === undefined) {
      return means.durationMs.withAtLeast(all.map((one) => now - one.startMs));
    }
    const tokens = means.tokens.withAtLeast(all.map((one) => one.tokens));
    return means.firstTokenMs.value() + tokens * msPerToken;
  }

  return {
    observeStart(id, size, now) {
      speed.pass(decoding, now);
      running.set(id, { ...size, startMs: now, firstTokenAtMs: undefined, tokens: 0 });
      means.costTokens.add(size.costTokens);
      means.tokens.setPrior(size.expectedTokens);
    },
    observeToken(id, count, now) {
      const request = running.get(id);
      if (request === undefined) return;
      speed.pass(decoding, now);
      request.tokens += count;
      if (request.firstTokenAtMs === undefined) {
        // The first ones came out of the prefill: they say nothing about the speed.
        request.firstTokenAtMs = now;
        decoding += 1;
        means.firstTokenMs.add(now - request.startMs);
      } else {
        speed.add(count);
      }
    },
    observeEnd(id, now) {
      const request = leave(id, now);
      if (request === undefined) return;
      means.durationMs.add(now - request.startMs);
      if (request.tokens > 0) means.tokens.add(request.tokens);
    },
    forget(id, now) {
      leave(id, now);
    },
    predictWaitMs({ ahead, concurrencyMax }, now) {
      if (concurrencyMax <= 0) return Number.POSITIVE_INFINITY;
      const free = concurrencyMax - running.size;
      if (ahead.requests < free) return 0;
      const meanMs = serviceMs(now);
      const turnMs = meanMs / Math.max(concurrencyMax, running.size);
      const startsMs = [...running.values()].map((one) => one.startMs);
      const oldestLeftMs = Math.max(0, Math.min(...startsMs) + meanMs - now);
      const irregular = Math.min(1, means.durationMs.variation());
      // Slots that are still free take the first of those ahead at once.
      const nextMs =
        free > 0 ? turnMs : irregular * turnMs + (1 - irregular) * Math.min(oldestLeftMs, meanMs);
      const turns = (ahead.requests - Math.max(0, free)) * sizeRatio(ahead, means.costTokens);
      return nextMs + turns * turnMs;
    },
    serviceMs,
    toJSON: () => ({
      running: running.size,
      durationMs: means.durationMs.value(),
      firstTokenMs: means.firstTokenMs.value(),
      tokens: means.tokens.value(),
      msPerToken: speed.msPerToken() ?? null,
    }),
  };
}

/** How large the requests ahead are against those that were measured. */
function sizeRatio(ahead: Ahead, usual: RunningMean): number {
  if (ahead.requests === 0 || usual.value() === 0) return 1;
  const ratio = ahead.costTokens / ahead.requests / usual.value();
  return Math.min(sizeRatioMax, Math.max(1 / sizeRatioMax, ratio));
}

/** Time per token of one stream, at the concurrency of the last seconds. */
function createStreamSpeed() {
  let tokens = 0;
  let streamMs = 0;
  let atMs: number | undefined;
  return {
    /** Lets time pass with `streams` generating. Idle time changes nothing. */
    pass(streams: number, now: number): void {
      const passedMs = Math.max(0, now - (atMs ?? now));
      atMs = now;
      if (streams === 0) return;
      const keep = Math.exp(-passedMs / speedTauMs);
      tokens *= keep;
      streamMs = streamMs * keep + passedMs * streams;
    },
    add(count: number): void {
      tokens += count;
    },
    msPerToken(): number | undefined {
      return tokens > 0 && streamMs > 0 ? streamMs / tokens : undefined;
    },
  };
}
