import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EngineStepStats } from '../protocol/telemetry.ts';
import { createBatchEfficiency } from './batch-efficiency.ts';

function step(batchSize: number, waiting: number, slots?: number): EngineStepStats {
  const times = { decodeMs: 1, prefillMs: 0, sampleMs: 0 };
  return { batchSize, waiting, slots, prefillTokens: 0, kvUsageRatio: 0, ...times };
}

const cases: [string, EngineStepStats, number][] = [
  ['C8: a lone request with nobody waiting is all that could be done', step(1, 0, 16), 1],
  ['C8: full slots with a crowd waiting are all that could be done', step(16, 90, 16), 1],
  ['C8: half of the slots used while others wait is a half', step(8, 90, 16), 0.5],
  ['C8: two decoded where four were there is a half', step(2, 2, 16), 0.5],
];
for (const [name, one, expected] of cases) {
  test(name, () => assert.equal(createBatchEfficiency().observe(one), expected));
}

test('C8: without the number of slots the widest batch stands in for it', () => {
  const efficiency = createBatchEfficiency();
  assert.equal(efficiency.observe(step(8, 50)), 1);
  assert.ok(efficiency.observe(step(4, 50)) < 0.8);
});

test('C8: the ratio is always over 0 and at most 1', () => {
  const anyStep = fc.tuple(
    fc.integer({ min: 1, max: 64 }),
    fc.nat(64),
    fc.option(fc.nat(32), { nil: undefined }),
  );
  fc.assert(
    fc.property(fc.array(anyStep), (steps) => {
      const efficiency = createBatchEfficiency();
      for (const [batchSize, waiting, slots] of steps) {
        const ratio = efficiency.observe(step(batchSize, waiting, slots));
        assert.ok(ratio > 0 && ratio <= 1 + 1e-12, String(ratio));
      }
    }),
  );
});
