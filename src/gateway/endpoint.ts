/**
 * One endpoint as the request path sees it: the upstream, what the operator said about it, and what
 * of ours runs on it now. Pools share endpoints, so the count of requests in flight lives here.
 */
import type { Clock, Upstream, UpstreamModel } from '../protocol/ports.ts';

export interface EndpointTimeouts {
  /** From dispatch to the first content, ms. */
  readonly firstTokenMs: number;
  /** From dispatch to the end of the answer, ms. */
  readonly totalMs: number;
}

export interface EndpointOptions {
  readonly upstream: Upstream;
  /** The endpoint's name in the config; replicas of one endpoint share it. */
  readonly configName: string;
  readonly weight: number;
  /** Whether prompts that arrive here leave the operator's premises. */
  readonly location: 'own' | 'public';
  readonly timeouts: EndpointTimeouts;
  readonly clock: Clock;
}

export interface Endpoint extends Omit<EndpointOptions, 'clock'> {
  readonly name: string;
  /** Requests of ours on it now. */
  readonly inFlight: number;
  /** Estimated tokens of work of ours on it now. */
  readonly outstandingTokens: number;
  /** It has asked to be left alone until then. */
  readonly restUntilMs: number;
  /** What it answers, kept through outages so that callers wait instead of hearing 404. */
  readonly models: readonly UpstreamModel[];
  enter(costTokens: number): void;
  leave(costTokens: number): void;
  /** An attempt here failed: it is left out of every choice for `retryAfterMs`, else for a back-off. */
  failed(retryAfterMs: number | undefined): void;
  succeeded(): void;
  /** Calls back whenever a request may have become placeable here. */
  onOpening(listener: () => void): void;
}

/** First rest after a failure without a `Retry-After`; doubles with each further one. */
const restMinMs = 50;
const restMaxMs = 10_000;

export function createEndpoint(options: EndpointOptions): Endpoint {
  const { upstream, clock } = options;
  const listeners = new Set<() => void>();
  let inFlight = 0;
  let outstandingTokens = 0;
  let restUntilMs = 0;
  let failuresInRow = 0;
  let models: readonly UpstreamModel[] = [];

  function open(): void {
    for (const listener of listeners) listener();
  }
  function refresh(): void {
    const known = upstream.status().models;
    if (known.length > 0) models = known;
    open();
  }
  upstream.onStatusChange(refresh);

  return {
    ...options,
    name: upstream.name,
    get inFlight() {
      return inFlight;
    },
    get outstandingTokens() {
      return outstandingTokens;
    },
    get restUntilMs() {
      return restUntilMs;
    },
    get models() {
      return models;
    },
    enter(costTokens) {
      inFlight += 1;
      outstandingTokens += costTokens;
    },
    leave(costTokens) {
      inFlight -= 1;
      outstandingTokens -= costTokens;
      open();
    },
    failed(retryAfterMs) {
      const backoffMs = Math.min(restMaxMs, restMinMs * 2 ** failuresInRow);
      failuresInRow += 1;
      // One that asks for no rest at all would otherwise be asked again without end.
      const ms = Math.max(restMinMs, retryAfterMs ?? backoffMs);
      restUntilMs = Math.max(restUntilMs, clock.now() + ms);
      clock.setTimer(ms, open);
    },
    succeeded() {
      failuresInRow = 0;
    },
    onOpening(listener) {
      listeners.add(listener);
    },
  };
}
