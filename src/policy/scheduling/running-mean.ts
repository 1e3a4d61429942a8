/**
 * The mean and the variation of recent samples, sane from the first one on: a prior counts as half a
 * sample, and after some thirty samples the older ones fade.
 */

/** Weight of the prior in samples: the first measurement already outweighs it. */
const priorSamples = 0.5;
/** Each sample takes this much off the older ones: about the last 32 count. */
const fade = 1 / 32;
/** From this many samples on the mean is known well enough to doubt outliers. */
const knownSamples = 8;
/** An unfinished sample this many times the known mean is no outlier any more but a change. */
const changeRatio = 4;

export interface RunningMean {
  add(sample: number): void;
  /** What to assume as long as little is known; undefined: nothing. */
  setPrior(prior: number | undefined): void;
  /** 0 where nothing is known. */
  value(): number;
  /**
   * The mean with unfinished samples counted where they are far above it already: above at all while
   * little is known, four times later, since the long ones are always over-represented among the
   * unfinished.
   */
  withAtLeast(unfinished: readonly number[]): number;
  /** Squared coefficient of variation: 0 for equal samples, 1 for exponential ones; 1 when unknown. */
  variation(): number;
}

export function createRunningMean(initialPrior?: number): RunningMean {
  let prior = initialPrior ?? 0;
  let priorWeight = initialPrior === undefined ? 0 : priorSamples;
  let count = 0;
  let sum = 0;
  let squares = 0;
  const weight = (): number => count + priorWeight;
  const value = (): number => (weight() > 0 ? (sum + prior * priorWeight) / weight() : 0);
  return {
    add(sample) {
      count = count * (1 - fade) + 1;
      sum = sum * (1 - fade) + sample;
      squares = squares * (1 - fade) + sample * sample;
      priorWeight *= 1 - fade;
    },
    setPrior(next) {
      prior = next ?? 0;
      priorWeight = next === undefined || count >= knownSamples ? 0 : priorSamples;
    },
    value,
    withAtLeast(unfinished) {
      const mean = value();
      const known = Math.min(1, count / knownSamples);
      const limit = mean * (1 + (changeRatio - 1) * known);
      const above = unfinished.filter((sample) => sample > limit);
      if (above.length === 0) return mean;
      const total = above.reduce((all, sample) => all + sample, 0);
      return (mean * weight() + total) / (weight() + above.length);
    },
    variation() {
      const mean = sum / count;
      if (count < 2 || mean * mean === 0) return 1;
      return Math.max(0, squares / count / (mean * mean) - 1);
    },
  };
}
