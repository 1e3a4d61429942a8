/**
 * How much of what could be decoded together was decoded together (C8).
 *
 * Of each step: sequences decoded ÷ slots that the work present could have filled, which is those
 * decoded and those waiting, up to the number of slots. An idle slot with nobody waiting costs
 * nothing; one beside a waiting request does.
 */
import type { EngineStepStats } from '../protocol/telemetry.ts';

export interface BatchEfficiency {
  /** Takes a step with at least one sequence; returns the ratio over the last thousand or so. */
  observe(step: EngineStepStats): number;
}

/** Weight of one step in the decaying sums: about the last 1,000 steps count, some ten seconds. */
const decay = 1 / 1_000;

export function createBatchEfficiency(): BatchEfficiency {
  let decoded = 0;
  let fillable = 0;
  let batchSizeMax = 0;
  return {
    observe(step) {
      batchSizeMax = Math.max(batchSizeMax, step.batchSize);
      // Without the engine's word the widest batch so far is what is known of its slots.
      const slots = step.slots ?? batchSizeMax;
      const possible = Math.max(step.batchSize, Math.min(slots, step.batchSize + step.waiting));
      decoded = decoded * (1 - decay) + step.batchSize;
      fillable = fillable * (1 - decay) + possible;
      return decoded / fillable;
    },
  };
}
