import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createExpectedCompletion } from './expected-completion.ts';

test('starts from the prior, follows the tenant, and obeys the caller', () => {
  const expected = createExpectedCompletion({ priorTokens: 500 });
  assert.equal(expected.expect('a', undefined), 500);
  assert.equal(expected.expect('a', 64), 64);
  for (let i = 0; i < 100; i += 1) expected.observe('a', 4_000);
  assert.ok(Math.abs(expected.expect('a', undefined) - 4_000) < 100);
  assert.equal(expected.expect('a', 1_000), 1_000);
  assert.equal(expected.expect('b', undefined), 500);
});

test('forgets the tenant that was unused longest', () => {
  const expected = createExpectedCompletion({ priorTokens: 1, tenantsMax: 2 });
  for (const tenant of ['a', 'b', 'a', 'c']) expected.observe(tenant, 100);
  assert.deepEqual(Object.keys(expected.toJSON()), ['a', 'c']);
});

test('the expectation is a whole number from 1 up to the limit', () => {
  const tokens = fc.nat(100_000);
  fc.assert(
    fc.property(fc.array(tokens), fc.option(tokens, { nil: undefined }), (answers, maxTokens) => {
      const expected = createExpectedCompletion();
      for (const answer of answers) expected.observe('a', answer);
      const value = expected.expect('a', maxTokens);
      assert.ok(Number.isInteger(value) && value >= 1);
      if (maxTokens !== undefined) assert.ok(value <= Math.max(1, maxTokens));
    }),
  );
});
