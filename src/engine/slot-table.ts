/**
 * The KV cache's slots: what each holds, and the native calls that carry out a placement.
 *
 * `policy/batching/slots.ts` decides; this file owns the bookkeeping and keeps it equal to what the
 * native context holds. None of it may be called while a decode runs.
 */
import {
  busyRuns,
  compactionPays,
  type PlacementRequest,
  placeSequence,
  planCompaction,
  type SlotView,
} from '../policy/batching/slots.ts';
import type { NativeContext } from './native.ts';

/** One slot. `tokens[0 … length)` are in the KV cache. */
export interface Slot extends SlotView {
  /** Changes when the sequence is moved. */
  readonly id: number;
  /** Records tokens that the decode just made has added. `exact`: as a chunk of an exact prefill. */
  append(tokens: Uint32Array, exact: boolean): void;
}

export interface SlotTable {
  readonly slots: readonly Slot[];
  /** Takes a slot for a prompt; undefined when all are busy. */
  take(request: PlacementRequest): Promise<{ slot: Slot; reusedTokens: number } | undefined>;
  /** Gives the slot back; its tokens stay until the space is needed. */
  release(slot: Slot): void;
  /** Forgets a slot's tokens: after a failed decode nobody knows what it holds. */
  clear(slot: Slot): void;
  /** Counts the cost of gaps in one decode step and closes them once that pays. */
  stepped(): Promise<void>;
  /** Tokens held for running sequences ÷ tokens that fit. */
  readonly usageRatio: number;
}

export interface SlotTableOptions {
  readonly context: NativeContext;
  readonly slots: number;
  readonly contextTokens: number;
  /** Measured at start: copying one slot, and what a gap costs a step. */
  readonly copyMs: number;
  readonly gapMs: number;
}

/** A table of empty slots over a fresh context. */
export function createSlotTable(options: SlotTableOptions): SlotTable {
  const { context } = options;
  const slots = Array.from(
    { length: options.slots },
    (_, id) => new TableSlot(id, options.contextTokens),
  );
  let uses = 0;
  let gapCostMs = 0;

  /** Copies whole cells: the context has no cheaper copy between sequences. */
  const copy = async (from: TableSlot, to: TableSlot): Promise<void> => {
    context.trim(to.id, 0);
    await context.copy(to.id, from.id);
    to.tokens.set(from.tokens.subarray(0, from.length));
    to.length = from.length;
    to.exactLength = from.exactLength;
  };
  /** Keeps the first `length` tokens; a memory that cannot be cut is emptied. Returns what stays. */
  const keep = (slot: TableSlot, length: number): number => {
    const kept = context.trim(slot.id, length) ? length : 0;
    if (kept !== length) context.trim(slot.id, 0);
    slot.length = kept;
    slot.exactLength = Math.min(slot.exactLength, kept);
    return kept;
  };

  return {
    slots,
    async take(request) {
      const placement = placeSequence(slots, request);
      const slot = placement && slots[placement.slot];
      if (placement === undefined || slot === undefined) return undefined;
      const source = placement.copyFrom === undefined ? undefined : slots[placement.copyFrom];
      if (source !== undefined) await copy(source, slot);
      const reusedTokens = keep(slot, placement.reusedTokens);
      slot.busy = true;
      slot.lastUsed = ++uses;
      return { slot, reusedTokens };
    },
    release(slot) {
      const owned = slots[slot.id];
      if (owned === undefined) return;
      owned.busy = false;
      owned.lastUsed = ++uses;
    },
    clear(slot) {
      const owned = slots[slot.id];
      if (owned !== undefined) keep(owned, 0);
    },
    async stepped() {
      const gaps = busyRuns(slots) - 1;
      gapCostMs = gaps > 0 ? gapCostMs + gaps * options.gapMs : 0;
      if (gapCostMs < options.copyMs || gaps <= 0) return;
      const moves = planCompaction(slots);
      if (!compactionPays({ gapCostMs, moves: moves.length, copyMs: options.copyMs })) return;
      gapCostMs = 0;
      for (const { from, to } of moves) {
        const source = slots[from];
        const target = slots[to];
        if (source === undefined || target === undefined) continue;
        await copy(source, target);
        // The holder of the moved sequence keeps its slot object, so ids change and objects stay.
        slots[to] = source;
        slots[from] = target;
        source.id = to;
        target.id = from;
        keep(target, 0);
        target.lastUsed = 0;
      }
    },
    get usageRatio() {
      let held = 0;
      for (const slot of slots) if (slot.busy) held += slot.length;
      return held / (options.slots * options.contextTokens);
    },
  };
}

class TableSlot implements Slot {
  id: number;
  busy = false;
  length = 0;
  exactLength = 0;
  lastUsed = 0;
  readonly tokens: Uint32Array;

  constructor(id: number, contextTokens: number) {
    this.id = id;
    this.tokens = new Uint32Array(contextTokens);
  }

  append(tokens: Uint32Array, exact: boolean): void {
    this.tokens.set(tokens, this.length);
    if (exact && this.exactLength === this.length) this.exactLength += tokens.length;
    this.length += tokens.length;
  }
}
