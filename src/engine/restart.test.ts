import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideRestart } from './restart.ts';

test('an engine that has worked is restarted after half a second, doubling up to half a minute (E4)', () => {
  const delays = [1, 2, 3, 6, 7, 8, 1000].map((crashes) => {
    const decision = decideRestart({ crashes, wasReady: true });
    return decision.kind === 'restart' ? decision.delayMs : decision.kind;
  });
  assert.deepEqual(delays, [500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
});

test('an engine that has never worked is given up after its third crash', () => {
  assert.equal(decideRestart({ crashes: 2, wasReady: false }).kind, 'restart');
  assert.equal(decideRestart({ crashes: 3, wasReady: false }).kind, 'give_up');
});
