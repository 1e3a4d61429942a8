import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenLogprob } from './logprobs.ts';

const text = {
  size: 10,
  check: () => undefined,
  bytesOf: (token: number) => Uint8Array.of(97 + token),
  isSpecial: () => false,
  isEndOfGeneration: () => false,
};

test('a log probability is the logit against the whole distribution', () => {
  // Three tokens of logits 2, 1 and 0: Σ exp(logit − 2) = 1 + e⁻¹ + e⁻².
  const raw = { logits: [4, 2, 7, 1, 9, 0], weight: 1 + Math.exp(-1) + Math.exp(-2) };
  const chosen = tokenLogprob(raw, 9, 2, text);
  const total = Math.log(Math.exp(2) + Math.exp(1) + Math.exp(0));
  assert.ok(Math.abs((chosen.logprob ?? 0) - (0 - total)) < 1e-12);
  assert.equal(chosen.token, 'j');
  assert.deepEqual(chosen.bytes, [106]);
  assert.deepEqual(
    chosen.top.map(({ token }) => token),
    ['e', 'h'],
  );
  assert.ok(Math.abs(chosen.top[0]!.logprob - (2 - total)) < 1e-12);
});

test('a token that nothing stands before has no log probability', () => {
  assert.equal(tokenLogprob(undefined, 3, 2, text).logprob, null);
});
