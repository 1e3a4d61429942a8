/**
 * How much work arrives per millisecond, over about the last minute: an exponentially fading sum,
 * corrected for the time before it began.
 */

/** Time constant, ms: long enough for single requests of minutes, short enough for a rush hour. */
const tauMs = 60_000;

export interface ArrivalRate {
  add(amount: number, now: number): void;
  perMs(now: number): number;
}

export function createArrivalRate(): ArrivalRate {
  let sum = 0;
  let atMs = 0;
  let beganAtMs: number | undefined;
  function fade(now: number): void {
    sum *= Math.exp(-Math.max(0, now - atMs) / tauMs);
    atMs = Math.max(atMs, now);
  }
  return {
    add(amount, now) {
      beganAtMs ??= now;
      fade(now);
      sum += amount;
    },
    perMs(now) {
      if (beganAtMs === undefined || now <= beganAtMs) return 0;
      fade(now);
      return sum / (tauMs * (1 - Math.exp(-(now - beganAtMs) / tauMs)));
    },
  };
}
