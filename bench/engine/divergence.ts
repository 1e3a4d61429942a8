/** How two passes over the same requests differ: where answers part, and how often. Pure. */

/** One answer as tokens. */
export type TokenAnswer = readonly number[];

export interface Divergence {
  readonly answers: number;
  readonly differing: number;
  /** Tokens up to and including the first difference of each answer: those that could differ. */
  readonly tokensExposed: number;
  /** Share of positions that differ when whole answers are compared; grows after a first one. */
  readonly differingTokenShare: number;
  /** First differences per 1,000 exposed tokens, with its 95 % interval. */
  readonly perThousand: number;
  readonly perThousandLow: number;
  readonly perThousandHigh: number;
}

export function compareAnswers(
  left: readonly TokenAnswer[],
  right: readonly TokenAnswer[],
): Divergence {
  let differing = 0;
  let tokensExposed = 0;
  let positions = 0;
  let differentPositions = 0;
  for (const [index, one] of left.entries()) {
    const other = right[index] ?? [];
    const length = Math.max(one.length, other.length);
    const at = firstDifference(one, other);
    positions += length;
    tokensExposed += at === undefined ? length : at + 1;
    if (at === undefined) continue;
    differing += 1;
    for (let i = at; i < length; i += 1) if (one[i] !== other[i]) differentPositions += 1;
  }
  const { low, high } = wilsonInterval(differing, tokensExposed);
  return {
    answers: left.length,
    differing,
    tokensExposed,
    differingTokenShare: positions === 0 ? 0 : differentPositions / positions,
    perThousand: tokensExposed === 0 ? 0 : (1000 * differing) / tokensExposed,
    perThousandLow: 1000 * low,
    perThousandHigh: 1000 * high,
  };
}

function firstDifference(one: TokenAnswer, other: TokenAnswer): number | undefined {
  const length = Math.max(one.length, other.length);
  for (let i = 0; i < length; i += 1) if (one[i] !== other[i]) return i;
  return undefined;
}

/** Wilson's score interval of a proportion, 95 % (z = 1.96). */
export function wilsonInterval(hits: number, trials: number): { low: number; high: number } {
  if (trials === 0) return { low: 0, high: 1 };
  const z = 1.96;
  const p = hits / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (p + (z * z) / (2 * trials)) / scale;
  const half = (z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials))) / scale;
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
