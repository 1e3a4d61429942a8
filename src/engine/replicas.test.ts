import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveReplicas, slotCount } from './replicas.ts';

test('a small model gets one process per core, at most eight; a large one a single process', () => {
  const auto = (modelBytes: number, cores: number): number =>
    resolveReplicas({ replicas: 'auto', modelBytes, cores });
  assert.equal(auto(10_784_192, 2), 2);
  assert.equal(auto(10_784_192, 1), 1);
  assert.equal(auto(10_784_192, 64), 8);
  assert.equal(auto(5e9, 64), 1);
});

test('a number is taken at its word, and is at least one', () => {
  assert.equal(resolveReplicas({ replicas: 12, modelBytes: 1, cores: 2 }), 12);
  assert.equal(resolveReplicas({ replicas: 0, modelBytes: 1, cores: 2 }), 1);
});

test('without batching an engine has one slot', () => {
  assert.equal(slotCount({ enabled: true, maxBatchSize: 32 }), 32);
  assert.equal(slotCount({ enabled: false, maxBatchSize: 32 }), 1);
});
