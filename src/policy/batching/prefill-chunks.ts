/**
 * How many prompt tokens are computed before the next decode step.
 *
 * Prefill and decode are separate calls (a mixed batch is cut into one graph per sequence anyway), so
 * every prompt token delays the next token of every answer that is running. A pass is kept under the
 * step budget; where decoding alone takes longer than that, prefill still gets half of the time.
 */

export interface PrefillState {
  /** Prompt tokens left, per sequence, in order of arrival. */
  readonly remaining: readonly number[];
  /** Per sequence: chunk that may not be cut (exact requests); 0: any size. */
  readonly fixedChunk: readonly number[];
  /** Sequences that wait for their next token. */
  readonly decoding: number;
  /** Expected time of the next decode step, ms. */
  readonly decodeMs: number;
  readonly stepBudgetMs: number;
  /** Measured prefill speed. */
  readonly tokensPerMs: number;
  /** Most tokens in one decode call. */
  readonly batchTokens: number;
}

/** A chunk below this costs as much as one of this size: the graph's fixed cost dominates. */
const chunkTokensMin = 32;

/** With nobody waiting for a token only aborts and arrivals limit a pass. */
const idleBudgetFactor = 4;

/**
 * Tokens to prefill in this pass, per sequence, in the same order. Some sequence always gets on
 * where any has tokens left. No chunk is larger than a decode call or than what is left.
 */
export function planPrefill(state: PrefillState): readonly number[] {
  const budgetMs =
    state.decoding === 0
      ? state.stepBudgetMs * idleBudgetFactor
      : Math.max(state.stepBudgetMs - state.decodeMs, state.decodeMs);
  let budget = Math.max(chunkTokensMin, Math.floor(budgetMs * state.tokensPerMs));
  let first = true;
  return state.remaining.map((left, index) => {
    const fixed = state.fixedChunk[index] ?? 0;
    const whole = Math.min(left, state.batchTokens, fixed === 0 ? left : fixed);
    // What is left of the budget may be too little for a chunk that pays, or that may not be cut.
    const worthwhile = Math.min(whole, fixed === 0 ? chunkTokensMin : whole);
    if (left === 0 || (!first && budget < worthwhile)) return 0;
    const tokens = fixed === 0 ? Math.min(whole, budget) : whole;
    budget -= tokens;
    first = false;
    return tokens;
  });
}
