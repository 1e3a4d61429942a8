/**
 * Which slot a sequence gets, and when the busy slots are moved together.
 *
 * A slot is one sequence's share of the KV cache. It keeps its tokens after the answer is complete,
 * until the space is needed, so that a later prompt with the same beginning need not be computed
 * again. llama.cpp computes one graph per run of adjacent busy slots, so gaps cost time at each step.
 * Both costs and gains are counted in prompt tokens that would have to be prefilled instead.
 *
 * The engine owns the slots; these functions only look at them and decide.
 */

/** What is known of one slot; its id is its index. */
export interface SlotView {
  readonly busy: boolean;
  /** Ids of the tokens held, from position 0; only the first `length` count. */
  readonly tokens: Uint32Array;
  readonly length: number;
  /** Leading tokens that were prefilled alone, in fixed chunks from position 0. */
  readonly exactLength: number;
  /** Larger is later; 0 for a slot never used. */
  readonly lastUsed: number;
}

export interface PlacementRequest {
  readonly prompt: Uint32Array;
  /**
   * Reuse only what was built as this prompt would be built: whole chunks of this many tokens.
   * Absent: any equal token will do.
   */
  readonly exactChunkTokens?: number | undefined;
  /** What copying one slot's cells costs, in tokens prefilled. */
  readonly copyCostTokens: number;
}

export interface Placement {
  readonly slot: number;
  /** Prompt tokens that need not be computed. */
  readonly reusedTokens: number;
  /** The slot to copy them from; absent: they are in `slot` already. */
  readonly copyFrom?: number | undefined;
}

/**
 * The free slot with the highest gain: reused tokens, less a copy, less a new gap (which costs at
 * most the copy that closes it). Ties go to the slot that was used longest ago, then to the lowest.
 * Returns undefined when every slot is busy.
 */
export function placeSequence(
  slots: readonly SlotView[],
  request: PlacementRequest,
): Placement | undefined {
  const reusable = slots.map((slot) => reusableTokens(slot, request));
  const best = reusable.reduce((top, tokens, id) => (tokens > (reusable[top] ?? 0) ? id : top), 0);
  const copyGain = (reusable[best] ?? 0) - request.copyCostTokens;
  const runsBefore = busyRuns(slots);
  let chosen: { placement: Placement; gain: number; lastUsed: number } | undefined;
  slots.forEach((slot, id) => {
    if (slot.busy) return;
    const here = reusable[id] ?? 0;
    const copies = best !== id && copyGain > here;
    const newRuns = runsBefore === 0 ? 0 : busyRuns(slots, id) - runsBefore;
    const gain = (copies ? copyGain : here) - newRuns * request.copyCostTokens;
    const better =
      chosen === undefined ||
      gain > chosen.gain ||
      (gain === chosen.gain && slot.lastUsed < chosen.lastUsed);
    if (!better) return;
    const placement = copies
      ? { slot: id, reusedTokens: reusable[best] ?? 0, copyFrom: best }
      : { slot: id, reusedTokens: here };
    chosen = { placement, gain, lastUsed: slot.lastUsed };
  });
  return chosen?.placement;
}

/** Prompt tokens that the slot holds already; the last one is always computed, for its logits. */
export function reusableTokens(
  slot: SlotView,
  request: Pick<PlacementRequest, 'prompt' | 'exactChunkTokens'>,
): number {
  const { prompt, exactChunkTokens } = request;
  const held = exactChunkTokens === undefined ? slot.length : slot.exactLength;
  const limit = Math.min(held, prompt.length - 1);
  let equal = 0;
  while (equal < limit && slot.tokens[equal] === prompt[equal]) equal++;
  return exactChunkTokens === undefined ? equal : equal - (equal % exactChunkTokens);
}

/** Runs of adjacent busy slots, with slot `added` counted as busy. */
export function busyRuns(slots: readonly SlotView[], added = -1): number {
  let runs = 0;
  let before = false;
  slots.forEach((slot, id) => {
    const busy = slot.busy || id === added;
    if (busy && !before) runs++;
    before = busy;
  });
  return runs;
}

export interface Move {
  readonly from: number;
  readonly to: number;
}

/**
 * The fewest moves that make the busy slots one run; of equal ones those that lose the oldest
 * resident tokens. Empty when there is no gap.
 */
export function planCompaction(slots: readonly SlotView[]): readonly Move[] {
  const busy = slots.flatMap((slot, id) => (slot.busy ? [id] : []));
  if (busyRuns(slots) < 2) return [];
  let best: { moves: readonly Move[]; lost: number } | undefined;
  for (let start = 0; start + busy.length <= slots.length; start++) {
    const inside = (id: number) => id >= start && id < start + busy.length;
    const outside = busy.filter((id) => !inside(id));
    const holes = slots.flatMap((slot, id) => (inside(id) && !slot.busy ? [id] : []));
    const moves = holes.flatMap((to, index) => {
      const from = outside[index];
      return from === undefined ? [] : [{ from, to }];
    });
    const lost = Math.max(0, ...holes.map((id) => slots[id]?.lastUsed ?? 0));
    const fewer = best === undefined || moves.length < best.moves.length;
    if (fewer || (moves.length === best?.moves.length && lost < best.lost)) best = { moves, lost };
  }
  return best?.moves ?? [];
}

/**
 * Whether the gaps have cost as much as closing them would (the ski-rental rule: never more than
 * twice the cost of having known beforehand how long they last).
 */
export function compactionPays(input: {
  /** Cost of the gaps since they appeared, ms. */
  readonly gapCostMs: number;
  readonly moves: number;
  readonly copyMs: number;
}): boolean {
  return input.moves > 0 && input.gapCostMs >= input.moves * input.copyMs;
}
