/**
 * When an idle engine takes its first step.
 *
 * In continuous batching a request joins the running batch at the next step, so waiting for company
 * only makes sense while nothing runs: the `dynamic_batching` keys govern the start of such a wave.
 */

export interface WaveState {
  /** Sequences that hold a slot. */
  readonly running: number;
  /** Sequences without a slot. */
  readonly waiting: number;
  /** When the oldest of them arrived. */
  readonly oldestArrivalMs: number;
}

export interface WaveOptions {
  readonly enabled: boolean;
  readonly maxBatchSize: number;
  readonly preferredBatchSizes: readonly number[];
  readonly maxQueueDelayMs: number;
}

export type WaveDecision =
  | { readonly kind: 'start' }
  /** Nothing to do before this time, or before another arrival. */
  | { readonly kind: 'wait'; readonly untilMs: number };

/** Start now, or wait for a preferred size until the oldest has waited long enough. */
export function decideWaveStart(
  state: WaveState,
  options: WaveOptions,
  nowMs: number,
): WaveDecision {
  const untilMs = state.oldestArrivalMs + options.maxQueueDelayMs;
  const enough = Math.min(options.maxBatchSize, ...options.preferredBatchSizes);
  const start =
    state.running > 0 ||
    (state.waiting > 0 && (!options.enabled || state.waiting >= enough || nowMs >= untilMs));
  return start ? { kind: 'start' } : { kind: 'wait', untilMs };
}
