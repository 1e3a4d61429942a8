/**
 * Scorers: each says how good every candidate is in one respect, from 0 (worst) to 1 (best).
 * Pure functions over the snapshot; their weights are set in `pick-endpoint.ts` or the config.
 */
import type { EndpointSnapshot, RouteRequest } from './pick-endpoint.ts';

/**
 * Least outstanding tokens relative to capacity (E3): what counts for reasoning models is the work
 * and not the number of requests. Capacity is slots times the operator's weight.
 */
export function scoreLoad(candidates: readonly EndpointSnapshot[]): readonly number[] {
  const loads = candidates.map(
    (endpoint) => endpoint.outstandingTokens / (endpoint.concurrencyMax * endpoint.weight),
  );
  const worst = Math.max(...loads);
  return loads.map((load) => (worst > 0 ? 1 - load / worst : 1));
}

/**
 * 1 for the session's own endpoint, which holds its prefix, else 0. Its own is found by weighted
 * rendezvous hashing over every endpoint that could serve it, full or not, so that a session returns
 * home after an overflow and only the sessions of a lost endpoint move. (Thaler & Ravishankar 1998;
 * weights: score = −w ÷ ln h, Schindelhauer & Schomaker 2005.)
 */
export function scoreSession(
  candidates: readonly EndpointSnapshot[],
  request: RouteRequest,
  all: readonly EndpointSnapshot[],
): readonly number[] {
  const { session } = request;
  if (session === undefined) return candidates.map(() => 0);
  let home: string | undefined;
  let best = Number.NEGATIVE_INFINITY;
  for (const endpoint of all) {
    if (endpoint.overflowOnly) continue;
    const score = -endpoint.weight / Math.log(hashToUnit(`${session}\n${endpoint.name}`));
    if (score > best) {
      best = score;
      home = endpoint.name;
    }
  }
  return candidates.map((endpoint) => (endpoint.name === home ? 1 : 0));
}

/** FNV-1a over UTF-16 units, mixed by MurmurHash3's finaliser, as a number in (0, 1). */
function hashToUnit(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash ^= hash >>> 16;
  return ((hash >>> 0) + 0.5) / 0x1_0000_0000;
}
