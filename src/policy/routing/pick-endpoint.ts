/**
 * Where a request goes: filter → score → pick, over a snapshot of the endpoints.
 *
 * Filters take out what cannot or may not serve it; the first one that leaves nothing names the
 * reason. Scorers are pure functions that give each candidate 0 … 1; the weighted sum decides, and a
 * tie is drawn in proportion to the endpoints' weights. Endpoints marked `overflowOnly` are looked at
 * only when no other candidate is left. A new scorer is one function and one line in `defaultScorers`.
 */
import type { Random } from '../../core/random.ts';
import { scoreLoad, scoreSession } from './scorers.ts';

export interface EndpointSnapshot {
  readonly name: string;
  readonly ready: boolean;
  readonly models: readonly string[];
  readonly inFlight: number;
  /** Estimated tokens of the work on it. */
  readonly outstandingTokens: number;
  readonly concurrencyMax: number;
  /** The operator's weight, > 0. */
  readonly weight: number;
  /** Whether prompts sent there leave the operator's premises. */
  readonly location: 'own' | 'public';
  readonly overflowOnly: boolean;
}

export interface RouteRequest {
  readonly model: string;
  /** The tenant lets its prompts leave. */
  readonly mayLeave: boolean;
  readonly session?: string | undefined;
  /** Endpoints that have failed this request already. */
  readonly tried?: ReadonlySet<string> | undefined;
}

/** Gives every candidate 0 … 1, in their order; `all` holds those without room too. */
export type Scorer<T extends EndpointSnapshot> = (
  candidates: readonly T[],
  request: RouteRequest,
  all: readonly T[],
) => readonly number[];

export interface WeightedScorer<T extends EndpointSnapshot> {
  readonly name: string;
  readonly weight: number;
  readonly score: Scorer<T>;
}

/** Least work first, unless a session has its place. */
export const defaultScorers: readonly WeightedScorer<EndpointSnapshot>[] = [
  { name: 'load', weight: 1, score: scoreLoad },
  { name: 'session', weight: 2, score: scoreSession },
];

/** Why nothing can take it: the first filter that left no endpoint. */
export type NoEndpoint = 'unknown_model' | 'data_stays' | 'all_tried' | 'not_ready' | 'full';

export type RouteDecision<T extends EndpointSnapshot> =
  | {
      readonly kind: 'picked';
      readonly endpoint: T;
      /** `only`, `tie`, or the scorer that set it apart most from the next best. */
      readonly reason: string;
    }
  | { readonly kind: 'none'; readonly why: NoEndpoint };

export interface RouteOptions<T extends EndpointSnapshot> {
  readonly random: Random;
  readonly scorers?: readonly WeightedScorer<T>[];
}

/** Picks the endpoint for one attempt. */
export function pickEndpoint<T extends EndpointSnapshot>(
  endpoints: readonly T[],
  request: RouteRequest,
  options: RouteOptions<T>,
): RouteDecision<T> {
  let candidates = endpoints;
  let usable = endpoints;
  for (const [why, keep] of filters(request)) {
    if (why === 'full') usable = candidates;
    candidates = candidates.filter(keep);
    if (candidates.length === 0) return { kind: 'none', why };
  }
  const preferred = candidates.filter((endpoint) => !endpoint.overflowOnly);
  if (preferred.length > 0) candidates = preferred;
  return pickBest(candidates, request, usable, options);
}

/** In the order in which their reasons matter to people: what no waiting can change comes first. */
function filters(request: RouteRequest): [NoEndpoint, (endpoint: EndpointSnapshot) => boolean][] {
  return [
    ['unknown_model', (endpoint) => endpoint.models.includes(request.model)],
    ['data_stays', (endpoint) => request.mayLeave || endpoint.location === 'own'],
    ['all_tried', (endpoint) => !request.tried?.has(endpoint.name)],
    ['not_ready', (endpoint) => endpoint.ready],
    ['full', (endpoint) => endpoint.inFlight < endpoint.concurrencyMax],
  ];
}

interface Scored<T> {
  readonly endpoint: T;
  readonly total: number;
  /** Weighted score by scorer. */
  readonly parts: readonly number[];
}

function pickBest<T extends EndpointSnapshot>(
  candidates: readonly T[],
  request: RouteRequest,
  usable: readonly T[],
  options: RouteOptions<T>,
): RouteDecision<T> {
  const scorers: readonly WeightedScorer<T>[] = options.scorers ?? defaultScorers;
  const columns = scorers.map(({ weight, score }) =>
    score(candidates, request, usable).map((value) => value * weight),
  );
  const scored = candidates.map((endpoint, index): Scored<T> => {
    const parts = columns.map((column) => column[index] ?? 0);
    return { endpoint, parts, total: parts.reduce((sum, part) => sum + part, 0) };
  });
  const bestTotal = Math.max(...scored.map((one) => one.total));
  const tied = scored.filter((one) => one.total === bestTotal);
  const winner = drawByWeight(tied, options.random);
  const others = scored.filter((one) => one !== winner);
  return { kind: 'picked', endpoint: winner.endpoint, reason: explain(winner, others, scorers) };
}

function drawByWeight<T extends EndpointSnapshot>(
  tied: readonly Scored<T>[],
  random: Random,
): Scored<T> {
  let left = random.next() * tied.reduce((sum, one) => sum + one.endpoint.weight, 0);
  for (const one of tied) {
    left -= one.endpoint.weight;
    if (left < 0) return one;
  }
  // Rounding may leave a crumb behind the last one.
  return tied[tied.length - 1] as Scored<T>;
}

function explain<T extends EndpointSnapshot>(
  winner: Scored<T>,
  others: readonly Scored<T>[],
  scorers: readonly WeightedScorer<T>[],
): string {
  const [first, ...rest] = others;
  if (first === undefined) return 'only';
  const second = rest.reduce((best, one) => (one.total > best.total ? one : best), first);
  if (second.total === winner.total) return 'tie';
  const gaps = winner.parts.map((part, index) => part - (second.parts[index] ?? 0));
  return scorers[gaps.indexOf(Math.max(...gaps))]?.name ?? 'tie';
}
