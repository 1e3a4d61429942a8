import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PrefillState, planPrefill } from './prefill-chunks.ts';

const state: PrefillState = {
  remaining: [1000],
  fixedChunk: [0],
  decoding: 4,
  decodeMs: 10,
  stepBudgetMs: 30,
  tokensPerMs: 5,
  batchTokens: 512,
};

test('with answers running a chunk fills what the step budget leaves', () => {
  assert.deepEqual(planPrefill(state), [100]);
});

test('with nobody waiting for a token the first prompt takes a whole call', () => {
  assert.deepEqual(planPrefill({ ...state, decoding: 0 }), [512]);
});

test('where decoding alone breaks the budget prefill still gets half of the time', () => {
  assert.deepEqual(planPrefill({ ...state, decodeMs: 50 }), [250]);
});

test('several short prompts share one pass in order of arrival', () => {
  const plan = planPrefill({ ...state, remaining: [20, 30, 400, 5], fixedChunk: [0, 0, 0, 0] });
  assert.deepEqual(plan, [20, 30, 50, 0]);
});

test('a fixed chunk is never cut to fit (B7)', () => {
  assert.deepEqual(planPrefill({ ...state, fixedChunk: [128] }), [128]);
  const plan = planPrefill({ ...state, remaining: [20, 300], fixedChunk: [0, 128] });
  assert.deepEqual(plan, [20, 0]);
});

const anyState = fc
  .array(fc.record({ left: fc.nat(3000), fixed: fc.constantFrom(0, 0, 64, 128) }), {
    minLength: 1,
    maxLength: 12,
  })
  .chain((prompts) =>
    fc.record({
      remaining: fc.constant(prompts.map(({ left }) => left)),
      fixedChunk: fc.constant(prompts.map(({ fixed }) => fixed)),
      decoding: fc.nat(32),
      decodeMs: fc.double({ min: 0, max: 500, noNaN: true }),
      stepBudgetMs: fc.integer({ min: 1, max: 200 }),
      tokensPerMs: fc.double({ min: 0.001, max: 100, noNaN: true }),
      batchTokens: fc.constantFrom(128, 512),
    }),
  );

test('property: chunks fit the call and the prompt, and somebody always gets on', () => {
  fc.assert(
    fc.property(anyState, (any) => {
      const plan = planPrefill(any);
      assert.equal(plan.length, any.remaining.length);
      plan.forEach((tokens, index) => {
        const left = any.remaining[index] ?? 0;
        const fixed = any.fixedChunk[index] ?? 0;
        assert.ok(Number.isInteger(tokens) && tokens >= 0);
        assert.ok(tokens <= left && tokens <= any.batchTokens);
        if (fixed > 0 && tokens > 0) assert.equal(tokens, Math.min(left, fixed));
      });
      const wanted = any.remaining.some((left) => left > 0);
      assert.equal(
        plan.some((tokens) => tokens > 0),
        wanted,
      );
    }),
  );
});

test('property: with answers running a pass stays near its budget', () => {
  fc.assert(
    fc.property(anyState, (any) => {
      const running = { ...any, decoding: 1, fixedChunk: any.fixedChunk.map(() => 0) };
      const total = planPrefill(running).reduce((sum, tokens) => sum + tokens, 0);
      const allowedMs = Math.max(any.stepBudgetMs - any.decodeMs, any.decodeMs);
      assert.ok(total <= Math.max(32, allowedMs * any.tokensPerMs));
    }),
  );
});
