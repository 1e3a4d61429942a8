/**
 * A limit that moves in whole steps within its bounds, and remembers where the engine refused.
 *
 * After a refusal the limit falls to 0.7 of itself and climbs again by one per step, as TCP does
 * above its threshold: the way up led into the wall once. Refusals of requests that were sent before
 * the last fall tell of the same wall and count once.
 */
import { assert } from '../../../core/errors.ts';
import type { LimitRange } from './concurrency-policy.ts';

/** The largest steps, as the articles have them. */
const growthMax = 1.5;
const shrinkageMax = 0.7;

export interface SteppedLimit {
  readonly value: number;
  /** When it moved last, ms. */
  readonly changedAtMs: number;
  /** Up by at most a half, at least by one; by one where it was refused before. */
  grow(ratio: number, now: number): void;
  /** Down by at most 30 %, at least by one. */
  shrink(ratio: number, now: number): void;
  /** A request sent at `startedAtMs` was refused. */
  refused(startedAtMs: number, now: number): void;
}

/** Starts at `range.min`. */
export function createSteppedLimit(range: LimitRange): SteppedLimit {
  let value = range.min;
  let changedAtMs = Number.NEGATIVE_INFINITY;
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  let wall = Number.POSITIVE_INFINITY;

  function set(next: number, now: number): void {
    const bounded = Math.max(range.min, Math.min(range.max, next));
    if (bounded !== value) changedAtMs = now;
    value = bounded;
  }

  return {
    get value() {
      return value;
    },
    get changedAtMs() {
      return changedAtMs;
    },
    grow(ratio, now) {
      assert(ratio >= 1, `a limit grows by a ratio of at least 1, found ${ratio}`);
      const next = Math.max(value + 1, Math.round(value * Math.min(growthMax, ratio)));
      set(value >= wall ? value + 1 : Math.min(next, wall), now);
    },
    shrink(ratio, now) {
      assert(ratio <= 1, `a limit shrinks by a ratio of at most 1, found ${ratio}`);
      set(Math.min(value - 1, Math.floor(value * Math.max(shrinkageMax, ratio))), now);
    },
    refused(startedAtMs, now) {
      if (startedAtMs < refusedAtMs) return;
      refusedAtMs = now;
      set(Math.floor(value * shrinkageMax), now);
      wall = value;
    },
  };
}
