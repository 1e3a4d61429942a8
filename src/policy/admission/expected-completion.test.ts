import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createExpectedCompletion } from './expected-completion.ts';

const one = { choices: 1 };

test('starts from the prior, follows the tenant, and obeys the caller', () => {
  const expected = createExpectedCompletion({ priorTokens: 500 });
  assert.equal(expected.expect('a', one), 500);
  assert.equal(expected.expect('a', { choices: 1, maxTokens: 64 }), 64);
  for (let i = 0; i < 200; i += 1) expected.observe('a', one, 4_000);
  assert.ok(Math.abs(expected.expect('a', one) - 4_000) < 20);
  assert.equal(expected.expect('a', { choices: 1, maxTokens: 1_000 }), 1_000);
  assert.equal(expected.expect('b', one), 500);
});

test('several choices count as so many answers, both ways', () => {
  const expected = createExpectedCompletion({ priorTokens: 100 });
  assert.equal(expected.expect('a', { choices: 4, maxTokens: 50 }), 200);
  for (let i = 0; i < 200; i += 1) expected.observe('a', { choices: 4 }, 400);
  assert.equal(expected.expect('a', one), 100);
});

test('forgets the tenant that was unused longest', () => {
  const expected = createExpectedCompletion({ priorTokens: 1, tenantsMax: 2 });
  for (const tenant of ['a', 'b', 'a', 'c']) expected.observe(tenant, one, 100);
  assert.deepEqual(Object.keys(expected.toJSON()), ['a', 'c']);
});

test('the expectation is a whole number from 1 up to the limit', () => {
  const tokens = fc.nat(100_000);
  fc.assert(
    fc.property(
      fc.array(tokens),
      fc.option(tokens, { nil: undefined }),
      fc.integer({ min: 1, max: 8 }),
      (answers, maxTokens, choices) => {
        const expected = createExpectedCompletion();
        for (const answer of answers) expected.observe('a', one, answer);
        const value = expected.expect('a', { maxTokens, choices });
        assert.ok(Number.isInteger(value) && value >= 1);
        if (maxTokens !== undefined) assert.ok(value <= Math.max(1, maxTokens * choices));
      },
    ),
  );
});
