import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom, type Random, systemRandom } from './random.ts';

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

test('one seed gives one sequence, another seed another', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const first = draw(createRandom(seed), 8);
      assert.deepEqual(first, draw(createRandom(seed), 8));
      assert.notDeepEqual(first, draw(createRandom(seed + 1), 8));
    }),
  );
});

test('the sequence of a seed does not change between versions', () => {
  assert.deepEqual(
    draw(createRandom(671), 3),
    [0.4885027863182979, 0.7428046372611878, 0.5201180164313977],
  );
});

for (const [name, random] of [
  ['seeded', createRandom(1)],
  ['system', systemRandom()],
] as const) {
  test(`${name} numbers spread evenly over [0, 1)`, () => {
    const buckets = new Array<number>(16).fill(0);
    for (const value of draw(random, 32_000)) {
      assert.ok(value >= 0 && value < 1);
      buckets[Math.floor(value * 16)]! += 1;
    }
    // Chi-square with 15 degrees of freedom: above 50 once in 80,000 runs.
    const chiSquare = buckets.reduce((sum, count) => sum + (count - 2_000) ** 2 / 2_000, 0);
    assert.ok(chiSquare < 50, `chi-square ${chiSquare}`);
  });
}
