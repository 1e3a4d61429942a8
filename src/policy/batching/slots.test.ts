import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  busyRuns,
  compactionPays,
  placeSequence,
  planCompaction,
  reusableTokens,
  type SlotView,
} from './slots.ts';

function slot(
  view: Partial<Omit<SlotView, 'tokens'>> & { tokens?: readonly number[] } = {},
): SlotView {
  const tokens = Uint32Array.from(view.tokens ?? []);
  return {
    busy: false,
    length: tokens.length,
    exactLength: 0,
    lastUsed: tokens.length === 0 ? 0 : 1,
    ...view,
    tokens,
  };
}

const prompt = Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const busy = slot({ busy: true, tokens: [9] });

test('the first sequence takes the lowest empty slot', () => {
  const placement = placeSequence([slot(), slot()], { prompt, copyCostTokens: 2 });
  assert.deepEqual(placement, { slot: 0, reusedTokens: 0 });
});

test('no slot is given when all are busy', () => {
  assert.equal(placeSequence([busy, busy], { prompt, copyCostTokens: 2 }), undefined);
});

test('a resident prefix is used where it lies (F2)', () => {
  const slots = [slot({ tokens: [9, 9] }), slot({ tokens: [1, 2, 3, 4, 5] }), slot()];
  assert.deepEqual(placeSequence(slots, { prompt, copyCostTokens: 2 }), {
    slot: 1,
    reusedTokens: 5,
  });
});

test('a prefix in a busy slot is copied when that is cheaper than computing it (F2)', () => {
  const slots = [slot({ busy: true, tokens: [1, 2, 3, 4, 5, 6, 7, 8, 9] }), slot()];
  assert.deepEqual(placeSequence(slots, { prompt, copyCostTokens: 2 }), {
    slot: 1,
    reusedTokens: 7,
    copyFrom: 0,
  });
  assert.deepEqual(placeSequence(slots, { prompt, copyCostTokens: 7 }), {
    slot: 1,
    reusedTokens: 0,
  });
});

test('a slot beside the busy ones is preferred to one that leaves a gap', () => {
  const slots = [busy, slot({ tokens: [9], lastUsed: 5 }), slot()];
  assert.equal(placeSequence(slots, { prompt, copyCostTokens: 2 })?.slot, 1);
});

test('a prefix worth more than a gap is used in spite of it', () => {
  const slots = [busy, slot(), slot({ tokens: [1, 2, 3, 4, 5, 6] })];
  assert.deepEqual(placeSequence(slots, { prompt, copyCostTokens: 2 }), {
    slot: 1,
    reusedTokens: 6,
    copyFrom: 2,
  });
  assert.deepEqual(placeSequence(slots, { prompt, copyCostTokens: 20 }), {
    slot: 1,
    reusedTokens: 0,
  });
});

test('of equal slots the one used longest ago loses its tokens (LRU, F2)', () => {
  const slots = [slot({ tokens: [9], lastUsed: 3 }), slot({ tokens: [8], lastUsed: 2 })];
  assert.equal(placeSequence(slots, { prompt, copyCostTokens: 2 })?.slot, 1);
});

test('an exact prompt reuses whole chunks of exactly built tokens only (B7)', () => {
  const tokens = [1, 2, 3, 4, 5, 6, 7, 8];
  const exact = slot({ tokens, exactLength: 7 });
  assert.equal(reusableTokens(exact, { prompt, exactChunkTokens: 3 }), 6);
  assert.equal(reusableTokens(slot({ tokens }), { prompt, exactChunkTokens: 3 }), 0);
  assert.equal(reusableTokens(exact, { prompt, exactChunkTokens: Number.POSITIVE_INFINITY }), 0);
});

const anySlots = fc.array(
  fc
    .record({
      busy: fc.boolean(),
      tokens: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 10 }),
      lastUsed: fc.nat(9),
      exact: fc.nat(10),
    })
    .map(({ exact, ...view }) =>
      slot({ ...view, exactLength: Math.min(exact, view.tokens.length) }),
    ),
  { minLength: 1, maxLength: 12 },
);
const anyPrompt = fc
  .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 12 })
  .map((tokens) => Uint32Array.from(tokens));

test('property: a placement is a free slot, and what it reuses is there and leaves one to compute', () => {
  fc.assert(
    fc.property(
      anySlots,
      anyPrompt,
      fc.nat(8),
      fc.option(fc.constantFrom(2, 4)),
      (slots, tokens, cost, chunk) => {
        const placement = placeSequence(slots, {
          prompt: tokens,
          copyCostTokens: cost,
          exactChunkTokens: chunk ?? undefined,
        });
        assert.equal(
          placement === undefined,
          slots.every((each) => each.busy),
        );
        if (placement === undefined) return;
        assert.equal(slots[placement.slot]?.busy, false);
        assert.ok(placement.reusedTokens < tokens.length);
        const source = slots[placement.copyFrom ?? placement.slot]!;
        const held = source.tokens.subarray(0, placement.reusedTokens);
        assert.deepEqual(held, tokens.subarray(0, placement.reusedTokens));
        if (chunk !== null) {
          assert.equal(placement.reusedTokens % chunk, 0);
          assert.ok(placement.reusedTokens <= source.exactLength);
        }
      },
    ),
  );
});

test('property: compaction leaves one run, moves into free slots, and never moves needlessly', () => {
  fc.assert(
    fc.property(anySlots, (slots) => {
      const moves = planCompaction(slots);
      const after = slots.map((each) => each.busy);
      for (const { from, to } of moves) {
        assert.equal(after[from], true);
        assert.equal(after[to], false);
        after[from] = false;
        after[to] = true;
      }
      assert.ok(busyRuns(after.map((isBusy) => slot({ busy: isBusy }))) <= 1);
      if (busyRuns(slots) <= 1) assert.equal(moves.length, 0);
    }),
  );
});

test('gaps are closed once they have cost what closing them costs', () => {
  assert.equal(compactionPays({ gapCostMs: 0.9, moves: 1, copyMs: 1 }), false);
  assert.equal(compactionPays({ gapCostMs: 1, moves: 1, copyMs: 1 }), true);
  assert.equal(compactionPays({ gapCostMs: 1, moves: 2, copyMs: 1 }), false);
  assert.equal(compactionPays({ gapCostMs: 9, moves: 0, copyMs: 1 }), false);
});
