import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../core/random.ts';
import { backoffMs } from './backoff.ts';

const options = { baseMs: 100, maxMs: 5_000 };

test('the bound doubles from the base to the cap, and all of it is used', () => {
  const bounds = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000];
  for (const [index, bound] of bounds.entries()) {
    const random = createRandom(index);
    const waits = Array.from({ length: 500 }, () => backoffMs(index + 1, options, random));
    assert.ok(Math.max(...waits) <= bound);
    assert.ok(Math.max(...waits) > bound * 0.95);
    assert.ok(Math.min(...waits) < bound * 0.05);
  }
});

test('however many failures, the wait is a whole number within the cap', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer(), (failures, seed) => {
      const waitMs = backoffMs(failures, options, createRandom(seed));
      assert.ok(Number.isInteger(waitMs) && waitMs >= 0 && waitMs <= 5_000);
    }),
  );
});
