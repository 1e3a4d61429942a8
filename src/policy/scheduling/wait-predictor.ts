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

export interface RequestSize {
  readonly costTokens: number;
  readonly expectedTokens: number;
}

interface Running {
  readonly startMs: number;
  firstTokenAtMs: number | undefined;
  tokens: number;
}

/** A short chat answer of a large model; replaced by the first few measurements. */
const priorServiceMsDefault = 10_000;
/** Time constant of the measured speed: a change of load shows within seconds. */
const speedTauMs = 10_000;
/** Enough for a load of 95 % to come within a few per cent of the end. */
const overtakingRoundsMax = 64;
/** What is ahead may be judged at most this much larger or smaller than the usual request. */
const sizeRatioMax = 4;

export function createWaitPredictor(options: WaitPredictorOptions = {}): WaitPredictor {
  return new Predictor(options);
}

export type WaitPredictor = Predictor;

class Predictor {
  readonly #running = new Map<string, Running>();
  readonly #durationMs: RunningMean;
  readonly #firstTokenMs = createRunningMean();
  readonly #tokens = createRunningMean();
  readonly #costTokens = createRunningMean();
  readonly #speed = createStreamSpeed();
  /** Requests of `#running` that generate. */
  #decoding = 0;
  /** The estimate at one moment: many may ask at the same one. */
  #estimate: { readonly atMs: number; readonly serviceMs: number } | undefined;

  constructor(options: WaitPredictorOptions) {
    this.#durationMs = createRunningMean(options.priorServiceMs ?? priorServiceMsDefault);
  }

  /** A request was placed; `costTokens` is what the queue was told, `expectedTokens` its answer. */
  observeStart(id: string, size: RequestSize, now: number): void {
    this.#pass(now);
    this.#running.set(id, { startMs: now, firstTokenAtMs: undefined, tokens: 0 });
    this.#costTokens.add(size.costTokens);
    this.#tokens.setPrior(size.expectedTokens);
  }

  /** `count` tokens of its answer came. */
  observeToken(id: string, count: number, now: number): void {
    const request = this.#running.get(id);
    if (request === undefined) return;
    this.#pass(now);
    request.tokens += count;
    if (request.firstTokenAtMs === undefined) {
      // The first ones came out of the prefill: they say nothing about the speed.
      request.firstTokenAtMs = now;
      this.#decoding += 1;
      this.#firstTokenMs.add(now - request.startMs);
    } else {
      this.#speed.add(count);
    }
  }

  /** It is complete: its duration counts. */
  observeEnd(id: string, now: number): void {
    const request = this.#leave(id, now);
    if (request === undefined) return;
    this.#durationMs.add(now - request.startMs);
    if (request.tokens > 0) this.#tokens.add(request.tokens);
  }

  /** It ended early (failed, cancelled): its place is free, its duration says nothing. */
  forget(id: string, now: number): void {
    this.#leave(id, now);
  }

  /** Predicted wait, ms. 0 where a slot is free; Infinity where there is none at all. */
  predictWaitMs({ ahead, concurrencyMax }: WaitQuery, now: number): number {
    if (concurrencyMax <= 0) return Number.POSITIVE_INFINITY;
    const free = concurrencyMax - this.#running.size;
    if (ahead.requests < free) return 0;
    const turnMs = this.serviceMs(now) / Math.max(concurrencyMax, this.#running.size);
    // Slots that are still free take the first of those ahead at once.
    const nextMs = free > 0 ? turnMs : this.#nextFreeMs(turnMs, now);
    const turns = (ahead.requests - Math.max(0, free)) * sizeRatio(ahead, this.#costTokens);
    return withOvertaking(nextMs + turns * turnMs, ahead, turnMs / this.#costTokens.value());
  }

  /** Mean service time as estimated now, ms. */
  serviceMs(now: number): number {
    if (this.#estimate?.atMs !== now) {
      this.#pass(now);
      this.#estimate = { atMs: now, serviceMs: this.#estimateServiceMs(now) };
    }
    return this.#estimate.serviceMs;
  }

  toJSON() {
    return {
      running: this.#running.size,
      durationMs: this.#durationMs.value(),
      firstTokenMs: this.#firstTokenMs.value(),
      tokens: this.#tokens.value(),
      msPerToken: this.#speed.msPerToken() ?? null,
    };
  }

  #estimateServiceMs(now: number): number {
    const running = [...this.#running.values()];
    const msPerToken = this.#speed.msPerToken();
    if (msPerToken === undefined) {
      return this.#durationMs.withAtLeast(running.map((one) => now - one.startMs));
    }
    const tokens = this.#tokens.withAtLeast(running.map((one) => one.tokens));
    return this.#firstTokenMs.value() + tokens * msPerToken;
  }

  /** Until the next of the busy slots comes free. Starts are in order, so the first is the oldest. */
  #nextFreeMs(turnMs: number, now: number): number {
    const [oldest] = this.#running.values();
    const meanMs = this.serviceMs(now);
    const ageMs = oldest === undefined ? 0 : now - oldest.startMs;
    const oldestLeftMs = Math.max(0, meanMs - ageMs);
    const irregular = Math.min(1, this.#durationMs.variation());
    return irregular * turnMs + (1 - irregular) * oldestLeftMs;
  }

  #leave(id: string, now: number): Running | undefined {
    const request = this.#running.get(id);
    if (request === undefined) return undefined;
    this.#pass(now);
    this.#running.delete(id);
    if (request.firstTokenAtMs !== undefined) this.#decoding -= 1;
    return request;
  }

  /** Lets time pass before anything changes. */
  #pass(now: number): void {
    this.#speed.pass(this.#decoding, now);
    this.#estimate = undefined;
  }
}

/**
 * The wait once those who arrive during it and go first are counted: the smallest W with
 * W = waitMs + what overtakes within W. Each round counts those who arrive during the last round's
 * addition; shares bound the sum, and so does the number of rounds.
 */
function withOvertaking(waitMs: number, ahead: Ahead, msPerToken: number): number {
  const { overtaking } = ahead;
  if (overtaking === undefined || !Number.isFinite(msPerToken)) return waitMs;
  let totalMs = waitMs;
  for (let round = 0; round < overtakingRoundsMax; round += 1) {
    const tokens = overtaking.reduce(
      (sum, one) => sum + Math.min(one.roomTokens, one.tokensPerMs * totalMs),
      0,
    );
    const nextMs = waitMs + tokens * msPerToken;
    if (nextMs - totalMs < 1) return nextMs;
    totalMs = nextMs;
  }
  return totalMs;
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
